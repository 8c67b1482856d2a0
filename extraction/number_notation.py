"""Reads digits with separators as a number, in each notation in which they are one. Pure."""

import re
from decimal import Decimal

from contract.fields import DecimalSeparator

#: Spaces that separate thousands besides the usual one: no-break, narrow no-break, and thin.
GROUPING_SPACES = "\u00a0\u202f\u2009"
# A number with groups of thousands does not begin with 0. The separator is the same between all groups; India
# separates groups of two digits.
_GROUPED = r"[1-9]\d{0,2}(?P<group>[%s'’ \u00a0])\d{3}(?:(?P=group)\d{3})*|\d+"
_INDIAN = r"[1-9]\d?(?:,\d\d)+,\d{3}"
_ONE_SPACE = str.maketrans(dict.fromkeys(GROUPING_SPACES, "\u00a0"))
_NOTATIONS = {
    DecimalSeparator.POINT: re.compile(rf"(?P<whole>{_GROUPED % ','}|{_INDIAN})(?:\.(?P<part>\d+))?"),
    DecimalSeparator.COMMA: re.compile(rf"(?P<whole>{_GROUPED % '.'})(?:,(?P<part>\d+))?"),
}
_SEPARATORS = str.maketrans("", "", ".,'’ \u00a0")


def readings(digits: str, separator: DecimalSeparator | None) -> list[Decimal]:
    """Return all numbers that digits with separators may stand for, without duplicates.

    For example `1.299` is 1299 or 1.299, `1.299,00` only 1299, and `22.11.2026` no number.

    Args:
        digits: digits with single separators between them.
        separator: the decimal separator; None if it may be a point or a comma.
    """
    separators = _NOTATIONS if separator is None else (separator,)
    found = dict[Decimal, None]()
    for each in separators:
        match = _NOTATIONS[each].fullmatch(digits.translate(_ONE_SPACE))
        if match is not None:
            whole = match["whole"].translate(_SEPARATORS)
            found[Decimal(f"{whole}.{match['part'] or ''}")] = None
    return list(found)
