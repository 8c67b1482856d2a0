"""Tests that a number is read together with what stands next to it, and never as another number."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fields import Locale
from contract.recipe import RecipeField
from extraction import values
from extraction.errors import ConversionError
from tests.extraction.many_examples import many_examples


def read(text: str, locale: str | None = None, decimal: str | None = None) -> values.Value:
    """Return a text converted to a number."""
    field = RecipeField.model_validate({"css": "p", "type": "number", "locale": locale, "decimal": decimal})
    return values.read(text, field, "")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        # A dash instead of decimals
        ("1.299,-", 1299),
        ("25.000,- Ft", 25000),
        ("1.198,- Kr", 1198),
        ("12.-", 12),
        ("1'299.–", 1299),
        ("1 299,-- €", 1299),
        # A decimal separator at the start
        ("$.99", 0.99),
        (",89 €", 0.89),
        (".5 kg", 0.5),
        # Signs and currencies
        ("-kr 100", -100),
        ("-CHF 50", -50),
        ("-US$50", -50),
        ("-₹500", -500),
        ("-R$ 10,00", -10),
        ("- €5", -5),
        ("€ -5", -5),
        ("kr -100", -100),
        ("–5", -5),
        ("- 5", -5),
        ("Total: -5", -5),
        ("\u200e-5\u200f", -5),
        ("+£5", 5),
        # Brackets
        ("(1,234.00)", -1234),
        ("($50)", -50),
        ("$(50)", -50),
        ("(ca. 5 kg)", 5),
        # Fractions
        ("1½", 1.5),
        ("2¾ cups", 2.75),
        ("1 ½", 1.5),
        ("½", 0.5),
        ("1⅓", 4 / 3),
        # Units, and words with a hyphen
        ("54 m²", 54),
        ("H₂O 5 l", 5),
        ("24-pack", 24),
        ("12 € + shipping", 12),
        ("5 °C", 5),
    ],
)
def test_number_is_read_with_what_stands_next_to_it(text: str, number: float) -> None:
    """Signs, brackets, fractions and `,-` next to a number are part of its value."""
    assert read(text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.299 €", "'1.299 €' may be 1.299 or 1299; set locale or decimal"),
        ("1,234", "'1,234' may be 1.234 or 1234; set locale or decimal"),
        ("-kr 6.645", "may be 6.645 or 6645"),
        ("$..75", "has '..' before its number"),
        ("USD.50", "has '.' before its number"),
        ("approx,5", "has ',' before its number"),
        ("1.299,00-", "has '-' next to its number"),
        ("5+", r"has '\+' next to its number"),
        ("±5", "has '±' next to its number"),
        ("--5", "has '--' next to its number"),
        ("— 5", "has '—' next to its number"),
        ("-foo 100", "has '-foo' next to its number"),
        ("TOP-10", "has '-' next to its number"),
        ("Shoes - €5", "has '-' next to its number"),
        ("minus 5", "has 'minus' next to its number"),
        ("< 5", "has '<' next to its number"),
        ("/5", "has '/' next to its number"),
        ("5...", "has '..' next to its number"),
        ("(22)", "has a number in brackets"),
        ("Reviews (22)", "has a number in brackets"),
        ("Shipping (5 €)", "has a number in brackets"),
        ("(-5 €)", "has a number in brackets"),
        ("((5.00))", "has a number in brackets"),
        ("[5.00]", "has a number in brackets"),
        ("5)", r"has '\)' next to its number"),
        ("(5", r"has '\(' next to its number"),
        ("1.2k", "has 'k' next to its number"),
        ("$5M", "has 'M' next to its number"),
        ("5 M€", "has 'M' next to its number"),
        ("5 € Mio.", "has 'Mio' next to its number"),
        ("€5m", "has 'm' next to its number"),
        ("5-million", "has '-million' next to its number"),
        ("5 millioner", "has 'millioner' next to its number"),
        ("5.00 CR", "has 'CR' next to its number"),
        ("minus5", "has 'minus' next to its number"),
        (">=5", "has '>=' next to its number"),
        ("…5", "has '…' next to its number"),
        ("⁻5", "has '⁻' next to its number"),
        ("Rabatt-5 €", "has '-' next to its number"),
        ("5万", "has '万' next to its number"),
        ("二5", "has '二' next to its number"),
        ("5 and a half", "has 'and a half' next to its number"),
        ("5\u20e3", "next to its number"),
        ("19⁹⁹", "contains 2 numbers"),
        ("10⁵", "contains 2 numbers"),
        ("① 5", "contains 2 numbers"),
        ("1/2", "contains 2 numbers"),
        ("2 × 5", "contains 2 numbers"),
        ("10:30", "contains 2 numbers"),
        ("12\n345", "contains 2 numbers"),
        ("1,5½", "contains no number in a known notation"),
        ("12,50,-", "contains no number in a known notation"),
        ("iPhone 12 256 GB", "may contain several numbers"),
        ("2 500 ml", "may contain several numbers"),
    ],
)
def test_number_next_to_what_may_change_it_is_refused(text: str, why: str) -> None:
    """What is not understood next to a number raises ConversionError, whose message quotes it."""
    with pytest.raises(ConversionError, match=why):
        read(text)


@pytest.mark.parametrize(
    ("text", "locale", "decimal", "number"),
    [
        ("1.299 €", "de", None, 1299),
        ("1.299 €", None, ".", 1.299),
        ("1,299", "en", None, 1299),
        ("1,299", None, ",", 1.299),
        ("1.299,-", None, ".", None),
        (",89", "en", None, None),
        (".89", "de", None, None),
        ("12.-", "de", None, 12),
        ("10 000 km", "fr", None, 10000),
        ("0,125", None, None, 0.125),
    ],
)
def test_locale_and_decimal_determine_a_lone_separator(
    text: str, locale: str | None, decimal: str | None, number: float | None
) -> None:
    """A lone separator before three digits is read by the locale, or by the decimal separator."""
    if number is None:
        with pytest.raises(ConversionError):
            read(text, locale, decimal)
    else:
        assert read(text, locale, decimal) == number


CURRENCIES = ["€", "$", "US$", "R$", "£", "₹", "kr", "kr.", "CHF", "EUR", "zł", "Kč", "Ft", "Rs.", "円"]
POINT_LOCALES = {Locale.EN, Locale.EN_GB, Locale.EN_US}
GROUPS = {".": [",", "'", "’", " ", "\u00a0", ""], ",": [".", " ", "\u00a0", "\u202f", "'", ""]}
#: How a positive and a negative amount are written.
POSITIVE = ["{n}", "{c} {n}", "{c}{n}", "{n} {c}", "{n}{c}", "+{n}", "{n},- {c}", "{c} {n},–"]
NEGATIVE = [
    *("-{n}", "−{n}", "–{n}", "-{c}{n}", "-{c} {n}", "{c}-{n}", "{c} -{n}", "- {c}{n}", "- {n}", "-{n} {c}"),
    *("({n})", "({c} {n})", "{n}-", "{n} {c}-"),
]
#: Texts around an amount that do not change it.
BEFORE = ["", " ", "\n", "Price: ", "ab ", "nur ", "prix ", "Shoes - ", "Total – ", "A-", "* ", "(ca. ", "“"]
AFTER = ["", " ", "\n", ".", "!", " *", " kg", " inkl. MwSt.", "/Stück", ", new", " m²", "%", " - new", ")"]
#: Texts in which an amount is changed, or is not the only number.
CHANGED = [
    *("{n}k", "{n} k", "{n} Mio.", "{n} million", "{n} mil", "{n}万", "{n}€ Mrd", "{n} and a half", "{n}/2"),
    *("1/{n}", "2 x {n}", "{n} e3", "±{n}", "~{n}", "<{n}", "{n}+", "{n}…", "{n}²", "{n}⁹⁹", "{n}\u20e3"),
    *("minus {n}", "[{n}]", "{n}-{n}", "{n} – {n}", "{n} + {n}", "{n}; {n}", "{n}:30", "{n}.{n}.1"),
    *("22.11. {n}", "#1 {n}", "{n}€{n}", "{n}\n{n}"),
]


def _written(amount: Decimal, decimal: str, group: str) -> str:
    whole, _, part = f"{amount:,f}".partition(".")
    return whole.replace(",", group) + (f"{decimal}{part}" if part else "")


amounts = (
    st.decimals(0, 10**9, places=2)
    | st.decimals(0, 10**4, places=3)
    | st.integers(0, 10**7).map(Decimal)
    | st.sampled_from(
        [Decimal(each) for each in ("0", "5", "0.5", "12", "1299", "1.299", "0.125", "1234567")]
    )
)
locales = st.sampled_from(Locale)
currencies = st.sampled_from(CURRENCIES)


@many_examples
@given(
    amount=amounts,
    locale=locales,
    hint=st.sampled_from(["locale", "decimal", None]),
    group=st.integers(0, 5),
    form=st.sampled_from(POSITIVE + NEGATIVE),
    currency=currencies,
    noise=st.tuples(st.sampled_from(BEFORE), st.sampled_from(AFTER)),
)
def test_amount_with_noise_is_the_amount_or_refused(
    *,
    amount: Decimal,
    locale: Locale,
    hint: str | None,
    group: int,
    form: str,
    currency: str,
    noise: tuple[str, str],
) -> None:
    """An amount in any locale's notation, with noise around it, is read as this amount, or refused."""
    decimal = "." if locale in POINT_LOCALES else ","
    if ",-" in form or ",–" in form:
        amount = amount.to_integral_value()
    written = form.format(n=_written(amount, decimal, GROUPS[decimal][group]), c=currency)
    text = f"{noise[0]}{written}{noise[1]}"
    with suppress(ConversionError):
        found = read(text, locale if hint == "locale" else None, decimal if hint == "decimal" else None)
        assert found == float(-amount if form in NEGATIVE else amount), text


@many_examples
@given(amount=amounts, locale=locales, hinted=st.booleans(), form=st.sampled_from(CHANGED))
def test_amount_that_is_changed_is_refused(
    *, amount: Decimal, locale: Locale, hinted: bool, form: str
) -> None:
    """An amount next to a multiplier, another number or an unknown sign is refused."""
    decimal = "." if locale in POINT_LOCALES else ","
    with pytest.raises(ConversionError):
        read(form.format(n=_written(amount, decimal, GROUPS[decimal][0])), locale if hinted else None)


@many_examples
@given(amount=amounts, locale=locales, currency=currencies, form=st.sampled_from(POSITIVE[:6]))
def test_plain_amount_is_read_with_its_locale(
    *, amount: Decimal, locale: Locale, currency: str, form: str
) -> None:
    """An amount without noise, in the notation of the field's locale, is read and not refused."""
    decimal = "." if locale in POINT_LOCALES else ","
    text = form.format(n=_written(amount, decimal, GROUPS[decimal][0]), c=currency)
    assert read(text, locale) == float(amount)
