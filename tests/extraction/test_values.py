"""Tests that texts are converted to each type, and that other texts raise ConversionError."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fields import FieldType
from contract.recipe import RecipeField
from extraction import values
from extraction.errors import ConversionError
from extraction.values import normalise_space
from tests.extraction.many_examples import many_examples

PAGE = "https://shop.example/books/1"


def read(text: str, as_type: FieldType, page_url: str = PAGE, **notation: str) -> values.Value:
    """Return a text converted to this type; `notation` contains the locale or the decimal separator."""
    field = RecipeField.model_validate({"xpath": ".", "type": as_type, **notation})
    return values.read(text, field, page_url)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-3", -3),
        ("−3", -3),
        ("+3", 3),
        ("-£3.50", -3.5),
        ("£51.77", 51.77),
        ("12 kg", 12),
        ("(22 available)", 22),
        ("4.0", 4),
        ("1.5e3", 1500),
        ("$.99", 0.99),
        ("No.5", 5),
        ("SKU-123", 123),
        # English, German, French, Swiss and Indian notations
        ("1,234.56", 1234.56),
        ("1,234,567", 1234567),
        ("1.234,56 €", 1234.56),
        ("1.234.567", 1234567),
        ("1.234.567,8", 1234567.8),
        ("51,77 €", 51.77),
        ("0,125", 0.125),
        ("1234,567", 1234.567),
        ("1 234,56", 1234.56),
        ("1\u202f234\u00a0567,5", 1234567.5),
        ("1'234.56", 1234.56),
        ("1’234’567", 1234567),
        ("12,34,567.89", 1234567.89),
        # All digits of a long number are kept
        ("9223372036854775807", 2**63 - 1),
        ("1234567890123456789", 1234567890123456789),
    ],
)
def test_number_is_read_in_the_notations_of_many_countries(text: str, number: float) -> None:
    """Numbers in the notations of many countries are read; a whole number becomes an integer."""
    value = read(text, FieldType.NUMBER, PAGE)
    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "contains no number"),
        ("free", "'free' contains no number"),
        ("1 to 3", "contains 2 numbers; select one with the field"),
        ("1, 2, 3", "contains 3 numbers"),
        ("3 4 5", "contains 3 numbers"),
        ("10-20", "contains 2 numbers"),
        ("2026-11-22", "contains 3 numbers"),
        ("22.11.2026", "contains no number"),
        ("3.11.4", "contains no number"),
        ("192.168.0.1", "contains no number"),
        ("1,2,3", "contains no number"),
        ("1,234,5", "contains no number"),
        ("1.2,3.4", "contains no number"),
        ("1e999", "is larger than the largest number"),
        ("9" * 400, "is larger than the largest number"),
        ("9" * 1_000_001, "is larger than the largest number"),
        ("9" * 1_000_001 + " ½", "is larger than the largest number"),
    ],
)
def test_text_without_exactly_one_number_is_conversion_error(text: str, why: str) -> None:
    """A text without exactly one number, for example a date or a list, raises ConversionError."""
    with pytest.raises(ConversionError, match=why):
        read(text, FieldType.NUMBER, PAGE)


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("1,234,567 pages", 1234567), ("3.0", 3), ("-2", -2)])
def test_integer_is_read(text: str, number: int) -> None:
    """An integer is read from its digits, even with a thousands separator, decimals of 0 or other text."""
    assert read(text, FieldType.INTEGER, PAGE) == number


@pytest.mark.parametrize("text", ["3.5", "0,1", "99999999999999999999"])
def test_number_with_decimals_is_not_an_integer(text: str) -> None:
    """A number with decimals or of more than 64 bits raises ConversionError in an integer field."""
    with pytest.raises(ConversionError, match="is not an integer of 64 bits"):
        read(text, FieldType.INTEGER, PAGE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        (" YES ", True),
        ("On", True),
        ("1", True),
        ("False", False),
        ("no", False),
        ("0", False),
    ],
)
def test_boolean_is_read_in_upper_and_lower_case(text: str, value: bool) -> None:
    """The words true, yes, on, 1 and false, no, 0 are read as booleans in any letter case."""
    assert read(text, FieldType.BOOLEAN, PAGE) is value


def test_other_text_is_not_a_boolean() -> None:
    """A text that is no boolean raises ConversionError, whose message quotes only the text's beginning."""
    with pytest.raises(ConversionError, match="'perhaps' is neither true nor false"):
        read("perhaps", FieldType.BOOLEAN, PAGE)
    with pytest.raises(ConversionError) as raised:
        read("x" * 5000, FieldType.BOOLEAN, PAGE)
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/a", "https://shop.example/a"),
        ("2?x=1#y", "https://shop.example/books/2?x=1#y"),
        ("//cdn.example/i.png", "https://cdn.example/i.png"),
        (" https://other.example/ \n", "https://other.example/"),
    ],
)
def test_url_is_made_absolute(text: str, url: str) -> None:
    """A relative URL is resolved against the URL of the page."""
    assert read(text, FieldType.URL, PAGE) == url


def test_invalid_url_is_conversion_error() -> None:
    """An invalid URL raises ConversionError."""
    with pytest.raises(ConversionError, match="is not a URL"):
        read("http://[broken", FieldType.URL, PAGE)


def test_text_has_normalised_space_and_html_is_unchanged() -> None:
    """In a text, each run of white space becomes one space; in html, white space is unchanged."""
    assert read("  a\n\t b\u00a0c ", FieldType.TEXT, PAGE) == "a b c"
    assert read("<b> a </b>", FieldType.HTML, PAGE) == "<b> a </b>"
    assert normalise_space(" \n ") == ""


@many_examples
@given(text=st.text() | st.text("0123456789.,'- +eE£\u202f", max_size=40), as_type=st.sampled_from(FieldType))
def test_any_text_is_converted_or_conversion_error(text: str, as_type: FieldType) -> None:
    """Any text is converted to the type or raises ConversionError, but never another exception."""
    with suppress(ConversionError):
        read(text, as_type, PAGE)


@many_examples
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_of_64_bits_is_exact(number: int) -> None:
    """Every integer of 64 bits is read exactly, with or without commas between the thousands."""
    assert read(str(number), FieldType.INTEGER, PAGE) == number
    assert read(f"{number:,}", FieldType.INTEGER, PAGE, locale="en") == number


def test_megabyte_of_digits_takes_linear_time() -> None:
    """Hostile texts of a megabyte raise ConversionError; with quadratic time, the test would take hours."""
    for text in ("1" * 1_000_000 + ",1,1", "1,111" * 200_000, "1 " * 500_000, "1.1." * 250_000):
        with pytest.raises(ConversionError):
            read(text, FieldType.NUMBER, PAGE)


@pytest.mark.parametrize(
    ("text", "notation", "number"),
    [
        ("1.234", {"locale": "de"}, 1234),
        ("1.234", {"locale": "en"}, 1.234),
        ("1,234", {"decimal": ","}, 1.234),
        ("1,234", {"locale": "en-GB"}, 1234),
        ("12,5", {"locale": "fr"}, 12.5),
        ("1 234 567,8", {"locale": "sv"}, 1234567.8),
        ("1’450.00", {"decimal": "."}, 1450),
        ("12,34,567.5", {"decimal": "."}, 1234567.5),
        ("1.234", {"locale": "de", "decimal": "."}, 1.234),
        (",5", {"decimal": ","}, 0.5),
    ],
)
def test_decimal_separator_or_locale_determines_the_number(
    text: str, notation: dict[str, str], number: float
) -> None:
    """A number is read with the field's decimal separator, or else with that of its locale."""
    assert read(text, FieldType.NUMBER, **notation) == number


@pytest.mark.parametrize(
    ("text", "notation"),
    [("1.5", {"locale": "de"}), ("1,5", {"locale": "en"}), ("1,234.5", {"decimal": ","})],
)
def test_number_that_contradicts_its_locale_is_conversion_error(text: str, notation: dict[str, str]) -> None:
    """A number in the notation of another locale raises ConversionError."""
    with pytest.raises(ConversionError, match="contains no number"):
        read(text, FieldType.NUMBER, **notation)


@pytest.mark.parametrize(
    ("number", "as_type", "value"),
    [
        (1.5, "number", 1.5),
        (2.0, "integer", 2),
        (10**18, "integer", 10**18),
        (1e21, "number", 1e21),
        (1, "text", None),
    ],
)
def test_json_number_ignores_the_locale(number: float, as_type: str, value: object) -> None:
    """The locale does not change a JSON number. For the type text, no value is returned."""
    field = RecipeField.model_validate({"jmespath": "a", "type": as_type, "locale": "de"})
    assert values.read_number(number, field) == value


@pytest.mark.parametrize("number", [1.5, 2**70, float("inf")])
def test_json_number_with_decimals_is_not_an_integer(number: float) -> None:
    """A JSON number with decimals or of more than 64 bits raises ConversionError in an integer field."""
    with pytest.raises(ConversionError, match="is not an integer"):
        values.read_number(number, RecipeField(jmespath="a", type=FieldType.INTEGER))
