"""The one number in a text, as people write them in many countries. Pure."""

import decimal
import re

from contract.fields import DecimalSeparator, Locale

# Digits beside a number that fit no grouping make it none: a date, a version, an address. No grouping begins
# with 0.
_AROUND = r"(?P<sign>(?<!\w)[-+−][£$€¥]?)?(?<!\d)(?<!\d[.,])(?:%s)(?![.,]?\d)"
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


def decimal_sign(locale: Locale | None, given: DecimalSeparator | None) -> DecimalSeparator | None:
    """Return what stands before the decimals: as given, else as the locale has it; else None."""
    if given is not None or locale is None:
        return given
    return DecimalSeparator.POINT if locale in _POINT_LOCALES else DecimalSeparator.COMMA


def numbers_in(text: str, sign: DecimalSeparator | None) -> list[re.Match[str]]:
    """Return the numbers in a text such as `£1,234.56`, `1.234,56 €`, `-3`, `12 kg`.

    Where no decimal sign is given, a lone comma before three digits groups, a lone point is decimal.
    """
    return list(_NUMBERS[sign].finditer(text))


def exact(found: re.Match[str]) -> decimal.Decimal:
    """Return the number that was found."""
    way = str(found.lastgroup)
    digits = found[way].translate(str.maketrans("", "", _GROUPING[way])).replace(",", ".")
    minus = "-" if (found["sign"] or "").startswith(("-", "−")) else ""
    return decimal.Decimal(minus + digits)
