"""A field's text read as its type. Pure."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

from contract.recipe import FieldType

_NUMBER = re.compile(r"[-+−]?\d(?:[\d.,'’\u00a0\u202f ]*\d)?(?:[eE][-+]?\d+)?")
_GROUPING = str.maketrans("", "", "'’\u00a0\u202f ")
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
    """Read the one number in a text such as `£1,234.56`, `1.234,56 €`, `-3`, `12 kg`."""
    found = _NUMBER.findall(text)
    if len(found) != 1:
        count = "no number" if not found else f"{len(found)} numbers; let `re` choose one"
        raise NotOfType(f"{_shown(text)} holds {count}")
    value = float(_decimal_point(found[0].translate(_GROUPING).replace("−", "-")))
    if value in {float("inf"), float("-inf")}:
        raise NotOfType(f"{_shown(text)} is larger than a number can be")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _decimal_point(digits: str) -> str:
    """Return digits with a point for decimals and no grouping.

    The last separator is the decimal one, unless it repeats or a lone comma is followed by three digits.
    """
    dot, comma = digits.rfind("."), digits.rfind(",")
    decimal, grouping = (".", ",") if dot > comma else (",", ".")
    digits = digits.replace(grouping, "")
    lone_group = decimal == "," and re.search(r",\d{3}$", digits) is not None
    if digits.count(decimal) > 1 or lone_group:
        return digits.replace(decimal, "")
    return digits.replace(decimal, ".")


def _integer(text: str, page_url: str) -> int:
    value = _number(text, page_url)
    if isinstance(value, float):
        raise NotOfType(f"{_shown(text)} is no whole number")
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
