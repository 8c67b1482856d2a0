"""Converts the text of a field to the field's type. Pure."""

import math
import re
from collections.abc import Callable
from typing import SupportsFloat

from contract.fields import FieldType
from contract.recipe import RecipeField
from contract.urls import resolve_url
from extraction.dates import Moment, moment_of_seconds, read_moment
from extraction.errors import ConversionError, quote
from extraction.numbers import decimal_separator, read_decimal

_TRUE = frozenset({"true", "yes", "on", "1"})
#: Digits that may be a date without separators, although as seconds since 1970 they are in 1970.
_COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")  # soft hyphens, joiners, text directions
_FALSE = frozenset({"false", "no", "off", "0"})

Value = str | int | float | bool
Converter = Callable[[str], Value]  #: see `read` for its result and errors


def converter(field: RecipeField, base_url: str, encoding: str = "utf-8") -> Converter:
    """Return the function that converts texts to a field's type.

    Args:
        field: the field, with its type, locale, decimal separator and date format.
        base_url: the URL that relative URLs are resolved against.
        encoding: the label of the page's encoding, in which the queries of URLs are written.
    """
    if field.type is FieldType.HTML or (field.type is FieldType.TEXT and field.transforms):
        return str
    if field.type is FieldType.TEXT:
        return normalise_space
    if field.type is FieldType.URL:
        return lambda text: _url(text, base_url, encoding)
    convert = _CONVERTERS[field.type]
    return lambda text: convert(text, field)


def read(text: str, field: RecipeField, base_url: str) -> Value:
    """Return `text` converted to the field's type.

    Args:
        text: the selected text; markup if the type is `html`.
        field: see `converter`.
        base_url: see `converter`.

    Raises:
        ConversionError: if the text cannot be converted.
    """
    return converter(field, base_url)(text)


def read_number(number: float, field: RecipeField) -> Value | None:
    """Return a JSON number converted to the field's type; None if the type can only be converted from text.

    Raises:
        ConversionError: if the number cannot be converted.
    """
    if field.type in {FieldType.DATE, FieldType.DATETIME}:
        if field.format is not None:
            return None  # the digits are read in this format
        if _COMPACT_DATE.fullmatch(repr(number).removesuffix(".0")):
            raise ConversionError(f"{number:.0f} may be a date or seconds since 1970; set format")
        return _iso_format(moment_of_seconds(number), field)
    if field.type not in {FieldType.NUMBER, FieldType.INTEGER}:
        return None
    if abs(number) < 2**63 and number == int(number):
        return int(number)
    if field.type is FieldType.INTEGER:
        raise ConversionError(f"{quote(repr(number))} is not an integer of 64 bits")
    return _float(number, repr(number))


def normalise_space(text: str) -> str:
    """Return `text` trimmed at both ends, with each run of white space replaced by one space."""
    return " ".join(text.split())


def visible(text: str) -> str:
    """Return `text` without characters that are not shown."""
    return _INVISIBLE.sub("", text)


def _number(text: str, field: RecipeField) -> float | int:
    try:
        number = read_decimal(visible(text), decimal_separator(field.locale, field.decimal))
    except ArithmeticError:  # the exponent of a Decimal is limited, too
        raise ConversionError(f"{quote(text)} is larger than the largest number") from None
    # Comparisons are exact. abs() would round, and raise Overflow for a number of a million digits.
    if -(2**63) < number < 2**63 and number == number.to_integral_value():
        return int(number)
    return _float(number, text)


def _float(number: SupportsFloat, text: str) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ConversionError(f"{quote(text)} is larger than the largest number")
    return value


def _integer(text: str, field: RecipeField) -> int:
    value = _number(text, field)
    if isinstance(value, float):
        raise ConversionError(f"{quote(text)} is not an integer of 64 bits")
    return value


def _boolean(text: str, _field: RecipeField) -> bool:
    word = normalise_space(text).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConversionError(f"{quote(text)} is neither true nor false")


def _url(text: str, base_url: str, encoding: str) -> str:
    try:
        return resolve_url(base_url, text, encoding)
    except ValueError as error:
        raise ConversionError(f"{quote(text)} is not a URL: {error}") from None


def _date(text: str, field: RecipeField) -> str:
    with_time = field.type is FieldType.DATETIME
    return _iso_format(read_moment(visible(text), field.locale, field.format, with_time=with_time), field)


def _iso_format(moment: Moment, field: RecipeField) -> str:
    day = moment.day.isoformat()
    if field.type is FieldType.DATE:
        return day
    if moment.time_of_day is None:
        raise ConversionError(f"{day} has no time of day; use the type date")
    return f"{day}T{moment.time_of_day.isoformat()}".replace("+00:00", "Z")


_CONVERTERS: dict[FieldType, Callable[[str, RecipeField], Value]] = {
    FieldType.NUMBER: _number,
    FieldType.INTEGER: _integer,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _date,
}
