"""Texts read as types: what people write on pages, in many countries, or a sentence why not."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.fields import FieldType
from contract.recipe import RecipeField
from extraction import values
from extraction.errors import ConversionError
from extraction.values import normalise_space

PAGE = "https://shop.example/books/1"


def read(text: str, as_type: FieldType, page_url: str = PAGE, **habits: str) -> values.Value:
    """Return a text read as a field of a type, with these habits."""
    field = RecipeField.model_validate({"xpath": ".", "type": as_type, **habits})
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
        # English, German, French, Swiss, Indian
        ("1,234.56", 1234.56),
        ("1,234", 1234),
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
        # Alone, a comma groups three digits and a point is decimal
        ("12,345", 12345),
        ("12.345", 12.345),
        # Identifiers keep all their digits
        ("9223372036854775807", 2**63 - 1),
        ("1234567890123456789", 1234567890123456789),
    ],
)
def test_a_number_is_read_as_it_is_written_somewhere(text: str, number: float) -> None:
    """Grouping and decimals by the rules of the country that writes them so; whole ones as integers."""
    value = read(text, FieldType.NUMBER, PAGE)
    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no number"),
        ("free", "'free' holds no number"),
        ("1 to 3", "holds 2 numbers; use `re` to choose one"),
        ("1, 2, 3", "holds 3 numbers"),
        ("3 4 5", "holds 3 numbers"),
        ("10-20", "holds 2 numbers"),
        ("2026-11-22", "holds 3 numbers"),
        ("22.11.2026", "holds no number"),
        ("3.11.4", "holds no number"),
        ("192.168.0.1", "holds no number"),
        ("1,2,3", "holds no number"),
        ("1,234,5", "holds no number"),
        ("1.2,3.4", "holds no number"),
        ("1e999", "is larger than the largest number"),
        ("9" * 400, "is larger than the largest number"),
    ],
)
def test_what_is_not_one_number_is_refused(text: str, why: str) -> None:
    """A date, a version or a list is no number: a wrong value in the results is worse than a complaint."""
    with pytest.raises(ConversionError, match=why):
        read(text, FieldType.NUMBER, PAGE)


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("1,234 pages", 1234), ("3.0", 3), ("-2", -2)])
def test_an_integer_is_a_whole_number(text: str, number: int) -> None:
    """Also where it is written with decimals, as XPath's count() does."""
    assert read(text, FieldType.INTEGER, PAGE) == number


@pytest.mark.parametrize("text", ["3.5", "0,1", "99999999999999999999"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    """Nothing is rounded or cut."""
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
def test_a_boolean_is_read_in_any_case(text: str, value: bool) -> None:
    """true/false, yes/no, on/off, 1/0."""
    assert read(text, FieldType.BOOLEAN, PAGE) is value


def test_what_is_neither_yes_nor_no_is_refused() -> None:
    """The complaint shows what stood there, cut to a readable length."""
    with pytest.raises(ConversionError, match="'perhaps' is neither true nor false"):
        read("perhaps", FieldType.BOOLEAN, PAGE)
    with pytest.raises(ConversionError) as wrong:
        read("x" * 5000, FieldType.BOOLEAN, PAGE)
    assert len(str(wrong.value)) < 150


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/a", "https://shop.example/a"),
        ("2?x=1#y", "https://shop.example/books/2?x=1#y"),
        ("//cdn.example/i.png", "https://cdn.example/i.png"),
        (" https://other.example/ \n", "https://other.example/"),
    ],
)
def test_a_url_is_made_absolute(text: str, url: str) -> None:
    """A link in the results works without the page it came from."""
    assert read(text, FieldType.URL, PAGE) == url


def test_what_is_no_url_is_refused() -> None:
    """A broken address is a complaint, not an exception nobody foresaw."""
    with pytest.raises(ConversionError, match="is not a URL"):
        read("http://[broken", FieldType.URL, PAGE)


def test_text_has_normal_space_and_html_its_own() -> None:
    """Line breaks and indentation are the page's; markup is kept as it stands."""
    assert read("  a\n\t b\u00a0c ", FieldType.TEXT, PAGE) == "a b c"
    assert read("<b> a </b>", FieldType.HTML, PAGE) == "<b> a </b>"
    assert normalise_space(" \n ") == ""


@settings(deadline=None)
@given(text=st.text() | st.text("0123456789.,'- +eE£\u202f", max_size=40), as_type=st.sampled_from(FieldType))
def test_any_text_is_read_or_refused(text: str, as_type: FieldType) -> None:
    """Nothing on a page raises anything but the complaint."""
    with suppress(ConversionError):
        read(text, as_type, PAGE)


@settings(deadline=None)
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_of_64_bits_is_read_whole(number: int) -> None:
    """Plain and with English grouping alike."""
    assert read(str(number), FieldType.INTEGER, PAGE) == number
    assert read(f"{number:,}", FieldType.INTEGER, PAGE) == number


def test_a_page_of_digits_is_read_in_time() -> None:
    """A hostile megabyte costs a search through it, not a search from each of its characters."""
    for text in ("1" * 1_000_000 + ",1,1", "1,111" * 200_000, "1 " * 500_000, "1.1." * 250_000):
        with pytest.raises(ConversionError):
            read(text, FieldType.NUMBER, PAGE)


@pytest.mark.parametrize(
    ("text", "habits", "number"),
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
def test_a_hint_settles_what_a_number_means(text: str, habits: dict[str, str], number: float) -> None:
    """The decimal sign as given, else as the locale has it."""
    assert read(text, FieldType.NUMBER, **habits) == number


@pytest.mark.parametrize(
    ("text", "habits"), [("1.5", {"locale": "de"}), ("1,5", {"locale": "en"}), ("1,234.5", {"decimal": ","})]
)
def test_a_number_that_contradicts_its_hint_is_refused(text: str, habits: dict[str, str]) -> None:
    """Rather than read as ten or a thousand times as much."""
    with pytest.raises(ConversionError, match="holds no number"):
        read(text, FieldType.NUMBER, **habits)


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
def test_a_number_of_json_needs_no_habits(number: float, as_type: str, value: object) -> None:
    """JSON has one way to write numbers; for other types its text is read."""
    field = RecipeField.model_validate({"jmespath": "a", "type": as_type, "locale": "de"})
    assert values.read_number(number, field) == value


@pytest.mark.parametrize("number", [1.5, 2**70, float("inf")])
def test_a_number_of_json_that_is_no_integer_is_refused(number: float) -> None:
    """Nothing is rounded."""
    with pytest.raises(ConversionError, match="is not an integer"):
        values.read_number(number, RecipeField(jmespath="a", type=FieldType.INTEGER))
