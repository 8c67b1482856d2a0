"""A field's text read as its type. Pure."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urljoin

from contract.recipe import FieldType

# One number as people write it. Digits beside it that fit no grouping make it none: a date, a version, an
# address. No grouping begins with 0.
_NUMBER = re.compile(
    r"""
    (?P<sign>(?<!\w)[-+−][£$€¥]?)?
    (?<!\d)(?<!\d[.,])
    (?:
        (?P<comma>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)                            # 1,234  1,234,567.89
      | (?P<indian>[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?)                        # 12,34,567.89
      | (?P<dot>[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,}))              # 1.234,56  1.234.567
      | (?P<spaced>[1-9]\d{0,2}(?:['’\u00a0\u202f\ ]\d{3})+(?:[.,]\d+)?)       # 1 234,56  1'234.56
      | (?P<plain>\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?|(?<![\w.,])\.\d+)           # 1234,5  1.234  .99
    )
    (?![.,]?\d)
    """,
    re.VERBOSE,
)
_GROUPING = {"comma": ",", "indian": ",", "dot": ".", "spaced": "'’\u00a0\u202f ", "plain": ""}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})

Value = str | int | float | bool


class NotOfType(ValueError):
    """The text cannot be read as the field's type; the message says why."""


def read(text: str, as_type: FieldType, page_url: str) -> Value:
    """Return `text` read as `as_type`.

    Args:
        text: what the selector found; markup for `html`, else text.
        as_type: what it is read as.
        page_url: what relative URLs resolve against.

    Raises:
        NotOfType: where it is none.
    """
    return _READERS[as_type](text, page_url)


def normal_space(text: str) -> str:
    """Return `text` with every run of white space as one space, and none at its ends."""
    return " ".join(text.split())


def _number(text: str, _page_url: str) -> float | int:
    """Read the one number in a text such as `£1,234.56`, `1.234,56 €`, `-3`, `12 kg`.

    A lone comma before three digits groups (`1,234`), a lone point is decimal (`1.234`).
    """
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        count = "no number" if not found else f"{len(found)} numbers; let `re` choose one"
        raise NotOfType(f"{_shown(text)} holds {count}")
    exact = _decimal(found[0])
    if abs(exact) < 2**63 and exact == exact.to_integral_value():
        return int(exact)
    value = float(exact)
    if math.isinf(value):
        raise NotOfType(f"{_shown(text)} is larger than a number can be")
    return value


def _decimal(found: re.Match[str]) -> Decimal:
    way = str(found.lastgroup)
    digits = found[way].translate(str.maketrans("", "", _GROUPING[way])).replace(",", ".")
    sign = "-" if (found["sign"] or "").startswith(("-", "−")) else ""
    return Decimal(sign + digits)


def _integer(text: str, page_url: str) -> int:
    value = _number(text, page_url)
    if isinstance(value, float):
        raise NotOfType(f"{_shown(text)} is no whole number of 64 bits")
    return value


def _boolean(text: str, _page_url: str) -> bool:
    word = normal_space(text).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise NotOfType(f"{_shown(text)} is neither yes nor no")


def _url(text: str, page_url: str) -> str:
    try:
        return urljoin(page_url, text.strip())
    except ValueError as wrong:
        raise NotOfType(f"{_shown(text)} is no URL: {wrong}") from None


def _shown(text: str) -> str:
    text = normal_space(text)
    return repr(text if len(text) <= 80 else text[:80] + "…")


_READERS: dict[FieldType, Callable[[str, str], Value]] = {
    FieldType.TEXT: lambda text, _page_url: normal_space(text),
    FieldType.HTML: lambda text, _page_url: text,
    FieldType.NUMBER: _number,
    FieldType.INTEGER: _integer,
    FieldType.BOOLEAN: _boolean,
    FieldType.URL: _url,
}
