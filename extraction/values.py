"""A field's text read as its type. Pure."""

import math
from collections.abc import Callable
from typing import SupportsFloat
from urllib.parse import urljoin

from contract.fields import FieldType
from contract.recipe import RecipeField
from extraction.conversion_error import ConversionError, shown
from extraction.dates import Moment, moment_of_seconds, read_moment
from extraction.numbers import decimal_sign, exact, numbers_in

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})

Value = str | int | float | bool
_Reader = Callable[[str, RecipeField, str], Value]


def read(text: str, field: RecipeField, base_url: str) -> Value:
    """Return `text` read as the field's type.

    Args:
        text: what the selector found; markup for `html`, else text.
        field: its type, and whose habits the text follows.
        base_url: what relative URLs resolve against.

    Raises:
        ConversionError: where it is none.
    """
    return _READERS[field.type](text, field, base_url)


def read_number(number: float, field: RecipeField) -> Value | None:
    """Return a number of JSON read as the field's type; None for a type that reads its text instead.

    Raises:
        ConversionError: where it is none.
    """
    if field.type in {FieldType.DATE, FieldType.DATETIME}:
        return _iso(moment_of_seconds(number), field)
    if field.type not in {FieldType.NUMBER, FieldType.INTEGER}:
        return None
    if abs(number) < 2**63 and number == int(number):
        return int(number)
    if field.type is FieldType.INTEGER:
        raise ConversionError(f"{shown(repr(number))} is no whole number of 64 bits")
    return _float(number, repr(number))


def normal_space(text: str) -> str:
    """Return `text` with every run of white space as one space, and none at its ends."""
    return " ".join(text.split())


def _text(text: str, field: RecipeField, _base_url: str) -> str:
    return text if field.transforms else normal_space(text)


def _number(text: str, field: RecipeField, _base_url: str) -> float | int:
    found = numbers_in(text, decimal_sign(field.locale, field.decimal))
    if len(found) != 1:
        count = "no number" if not found else f"{len(found)} numbers; let `re` choose one"
        raise ConversionError(f"{shown(text)} holds {count}")
    number = exact(found[0])
    if abs(number) < 2**63 and number == number.to_integral_value():
        return int(number)
    return _float(number, text)


def _float(number: SupportsFloat, text: str) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ConversionError(f"{shown(text)} is larger than a number can be")
    return value


def _integer(text: str, field: RecipeField, base_url: str) -> int:
    value = _number(text, field, base_url)
    if isinstance(value, float):
        raise ConversionError(f"{shown(text)} is no whole number of 64 bits")
    return value


def _boolean(text: str, _field: RecipeField, _base_url: str) -> bool:
    word = normal_space(text).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConversionError(f"{shown(text)} is neither yes nor no")


def _url(text: str, _field: RecipeField, base_url: str) -> str:
    try:
        return urljoin(base_url, text.strip())
    except ValueError as wrong:
        raise ConversionError(f"{shown(text)} is no URL: {wrong}") from None


def _moment(text: str, field: RecipeField, _base_url: str) -> str:
    return _iso(read_moment(text, field.locale, field.format), field)


def _iso(moment: Moment, field: RecipeField) -> str:
    day = moment.day.isoformat()
    if field.type is FieldType.DATE:
        return day
    if moment.clock is None:
        raise ConversionError(f"{day} has no time of day; type date reads it")
    return f"{day}T{moment.clock.isoformat()}".replace("+00:00", "Z")


_READERS: dict[FieldType, _Reader] = {
    FieldType.TEXT: _text,
    FieldType.HTML: lambda text, _field, _base_url: text,
    FieldType.NUMBER: _number,
    FieldType.INTEGER: _integer,
    FieldType.BOOLEAN: _boolean,
    FieldType.URL: _url,
    FieldType.DATE: _moment,
    FieldType.DATETIME: _moment,
}
