"""Finds numbers in a text, in the notations of many countries. Pure."""

import decimal
import re

from contract.fields import DecimalSeparator, Locale

# A match must not be next to other digits or to a point or comma with digits, because the text is then a
# date, a version or an IP address, and not a number. A number with groups of thousands does not begin with 0.
_AROUND = r"(?P<sign>(?<!\w)[-+−][£$€¥]?)?(?<!\d)(?<!\d[.,])(?:%s)(?![.,]?\d|[²³¹⁰-⁾₀-₎])"
_SPACED = r"(?P<spaced>[1-9]\d{0,2}(?:['’\u00a0\u202f\ ]\d{3})+(?:%s\d+)?)"  # 1 234,56  1'234.56
_ANY = (
    r"(?P<comma>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)",  # 1,234  1,234,567.89
    r"(?P<indian>[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?)",  # 12,34,567.89
    r"(?P<dot>[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,}))",  # 1.234,56  1.234.567
    _SPACED % "[.,]",
    r"(?P<plain>\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?|(?<![\w.,])\.\d+)",  # 1234,5  1.234  .99
)
_POINT = (
    _ANY[0],
    _ANY[1],
    _SPACED % r"\.",
    r"(?P<plain>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<![\w.,])\.\d+)",
)
_COMMA = (
    r"(?P<dot>[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?)",  # 1.234  1.234,56
    _SPACED % ",",
    r"(?P<plain>\d+(?:,\d+)?(?:[eE][-+]?\d+)?|(?<![\w.,]),\d+)",
)
_NUMBERS = {
    None: re.compile(_AROUND % "|".join(_ANY)),
    DecimalSeparator.POINT: re.compile(_AROUND % "|".join(_POINT)),
    DecimalSeparator.COMMA: re.compile(_AROUND % "|".join(_COMMA)),
}
_GROUPING = {"comma": ",", "indian": ",", "dot": ".", "spaced": "'’\u00a0\u202f ", "plain": ""}
_POINT_LOCALES = frozenset({Locale.EN, Locale.EN_GB, Locale.EN_US})


def decimal_separator(locale: Locale | None, given: DecimalSeparator | None) -> DecimalSeparator | None:
    """Return `given`, else the decimal separator of the locale; None if both are None."""
    if given is not None or locale is None:
        return given
    return DecimalSeparator.POINT if locale in _POINT_LOCALES else DecimalSeparator.COMMA


def find_numbers(text: str, separator: DecimalSeparator | None) -> list[re.Match[str]]:
    """Return a match for each number in a text such as `£1,234.56`, `1.234,56 €`, `-3`, `12 kg`.

    If `separator` is None, a single comma before three digits separates thousands, and a single point
    separates decimals.
    """
    return list(_NUMBERS[separator].finditer(text))


def to_decimal(match: re.Match[str]) -> decimal.Decimal:
    """Return the number of a match of `find_numbers`."""
    notation = str(match.lastgroup)
    digits = match[notation].translate(str.maketrans("", "", _GROUPING[notation])).replace(",", ".")
    minus = "-" if (match["sign"] or "").startswith(("-", "−")) else ""
    return decimal.Decimal(minus + digits)
