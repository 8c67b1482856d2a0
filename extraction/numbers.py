"""Reads the only number in a text, in the notations of many countries. Pure.

A number is read only together with what stands next to it. If that may change the number and is not
understood, the text is refused, so that no other number than that of the page is returned.
"""

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction

from contract.fields import DecimalSeparator, Locale
from extraction.errors import ConversionError, quote
from extraction.number_context import is_negative
from extraction.number_notation import GROUPING_SPACES, readings
from extraction.number_words import CURRENCY

# Digits with single separators between them. A usual space is part of a number only before three digits.
_NUMBER = re.compile(
    rf"""(?P<digits> \d+ (?: [.,'’{GROUPING_SPACES}]\d+ | [ ]\d{{3}}(?!\d) )* )
        (?: (?P<exponent> [eE][-+]?\d{{1,4}}(?!\w) )
          | (?P<dash> [.,][-–—−]{{1,2}}(?![\w-]) )      # 1.299,-
          | [ ]?(?P<fraction> [¼-¾⅐-⅞] ) )?             # 1½
      | (?P<only_fraction> [¼-¾⅐-⅞] )""",
    re.VERBOSE,
)
_LEADING_SEPARATOR = re.compile(r"[.,]+\Z")
_CURRENCY_AT_START = re.compile(rf"\s?{CURRENCY}")
_CURRENCY_AT_END = re.compile(rf"{CURRENCY}\s?\Z")
_CODE_BEFORE = re.compile(r"(?:\A|[^A-Z])[A-Z]{3}\Z")  # USD.50 may be half a dollar
_NUMBER_MAY_BEGIN = re.compile(rf"(?:\A|[-+−–(]|{CURRENCY}) ?\Z")
_POINT_LOCALES = frozenset({Locale.EN, Locale.EN_GB, Locale.EN_US})


def decimal_separator(locale: Locale | None, given: DecimalSeparator | None) -> DecimalSeparator | None:
    """Return `given`, else the decimal separator of the locale; None if both are None."""
    if given is not None or locale is None:
        return given
    return DecimalSeparator.POINT if locale in _POINT_LOCALES else DecimalSeparator.COMMA


def read_decimal(text: str, separator: DecimalSeparator | None) -> Decimal:
    """Return the only number in a text such as `£1,234.56`, `1.234,56 €`, `-3`, `12 kg`, `1.299,-` or `1½`.

    Args:
        text: the text.
        separator: the decimal separator. If None, a number whose value depends on the separator is refused,
            for example 1.299.

    Raises:
        ConversionError: if the text contains no number, several numbers, a number with two meanings, or a
            number next to something that may change it.
    """
    match = _only_number(text)
    leading = _leading_separator(text, match, separator)
    start = match.start() - len(leading)
    number = _value(text, match, leading, separator)
    _check_spaces(text, match, separator)
    if match.start() == 0 and match.end() == len(text):
        return number
    negative = is_negative(text, start, match.end(), has_decimals=_decimals(number))
    return number.copy_negate() if negative else number


def _only_number(text: str) -> re.Match[str]:
    matches = list(_NUMBER.finditer(text))
    if len(matches) == 1 and not _has_other_number(text, matches[0]):
        return matches[0]
    count = (
        "no number"
        if not matches
        else f"{max(2, len(matches))} numbers; select one with the field's key `re`"
    )
    raise ConversionError(f"{quote(text)} contains {count}")


def _has_other_number(text: str, match: re.Match[str]) -> bool:
    """Return whether there are numeric characters besides the number's digits, for example ⁵ or ②.

    After a letter they are part of a word, as in m².
    """
    rest = text[: match.start()] + " " * (match.end() - match.start()) + text[match.end() :]
    if match.end() < len(text) and unicodedata.category(text[match.end()]) == "No":
        return True
    return not rest.isascii() and any(
        unicodedata.category(each) in {"No", "Nl"} and not before.isalpha()
        for before, each in zip(" " + rest, rest, strict=False)
    )


def _leading_separator(text: str, match: re.Match[str], separator: DecimalSeparator | None) -> str:
    """Return the decimal separator with which a number begins (`.99`), or `""` if there is none."""
    found = _LEADING_SEPARATOR.search(text, max(0, match.start() - 8), match.start())
    if found is None:
        return ""
    before, sign = text[max(0, found.start() - 8) : found.start()], found[0]
    if sign == "." and before[-1:].isalpha() and not _CODE_BEFORE.search(before):
        return ""  # the point of an abbreviation, as in No.5 and Rs.500
    begins = _NUMBER_MAY_BEGIN.search(before) is not None or (sign == "." and before[-1:].isspace())
    is_simple = (match["digits"] or "").isdecimal() and match["dash"] is None and match["fraction"] is None
    if (
        not begins
        or before[-1:].isalpha()
        or not is_simple
        or sign not in {",", "."}
        or separator not in {None, sign}
    ):
        raise ConversionError(
            f"{quote(text)} has {quote(sign)} before its number, which may be a decimal separator"
        )
    return sign


def _value(text: str, match: re.Match[str], leading: str, separator: DecimalSeparator | None) -> Decimal:
    """Return the number without its sign."""
    digits, part = match["digits"] or "0", match["fraction"] or match["only_fraction"]
    if leading:
        found = [Decimal(f"0.{digits}")]
    elif match["dash"]:  # what stands before the dash has no decimals
        dash_separator = DecimalSeparator(match["dash"][0])
        agrees = separator in {None, dash_separator} or digits.isdecimal()
        found = [each for each in readings(digits, dash_separator) if agrees and not _decimals(each)]
    else:
        found = readings(digits, separator)
    if not found or (part and _decimals(found[0])):
        notation = (
            "a known notation" if separator is None else f"a notation with the decimal separator {separator}"
        )
        raise ConversionError(f"{quote(text)} contains no number in {notation}")
    if len(found) > 1:
        meanings = " or ".join(map(str, sorted(found)))
        raise ConversionError(f"{quote(text)} may be {meanings}; set locale or decimal")
    number = found[0]
    if part:
        fraction = Fraction(unicodedata.numeric(part)).limit_denominator(10)
        number += Decimal(fraction.numerator) / fraction.denominator
    return Decimal(f"{number}{match['exponent'] or ''}")


def _decimals(number: Decimal) -> bool:
    return number.as_tuple().exponent != 0


def _check_spaces(text: str, match: re.Match[str], separator: DecimalSeparator | None) -> None:
    """Raise ConversionError if a space may separate two numbers, as in `iPhone 12 256 GB`.

    A space between words is used for thousands, too. It is not certain to be one after a word, nor before a
    word in languages that do not separate thousands by spaces.
    """
    digits = match["digits"] or ""
    if digits.count(" ") != 1:
        return
    before = _CURRENCY_AT_END.sub("", text[max(0, match.start() - 60) : match.start()]).rstrip()
    after = _CURRENCY_AT_START.sub("", text[match.end() : match.end() + 60]).lstrip()
    is_whole = "." not in digits and "," not in digits and separator is not DecimalSeparator.COMMA
    if before[-1:].isalpha() or before.endswith(("#", "№", ".")) or (is_whole and after[:1].isalpha()):
        raise ConversionError(
            f"{quote(text)} may contain several numbers; select one with the field's key `re`"
        )
