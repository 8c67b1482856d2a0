"""Converts values for the columns of a table, as the declared type of each column requires.

See https://cloud.google.com/pubsub/docs/bigquery#schema_compatibility. Types may have BigQuery's names or
those of SQLite.
"""

import base64
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final, TypeAlias

from localpubsub.errors import RowRejected
from localpubsub.protocol.json_text import dump_json, parse_json

SqlValue: TypeAlias = str | bytes | int | float | None

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = range(-(2**63), 2**63)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_TYPE_NAME: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Column:
    """One column with its declared type."""

    name: str  #: The name as declared.
    #: The declared type in capital letters. It is empty for a column without type, which accepts every value
    #: that SQLite can store.
    declared: str

    def convert(self, value: object) -> SqlValue:
        """Convert a JSON value or bytes for SQLite; raise RowRejected if the column does not accept it."""
        if value is None:
            return None
        try:
            return _converter(self.declared)(value)
        except (ValueError, OverflowError, TypeError, InvalidOperation):
            raise RowRejected(
                f"The field {self.name} does not fit its column of type {self.declared or 'ANY'}: "
                f"{_shortened(value)}."
            ) from None

    @property
    def changes_texts(self) -> bool:
        """Whether SQLite would change texts: it gives STRING columns numeric affinity and stores 007 as 7."""
        return self.declared.startswith("STRING") and "TEXT" not in self.declared


def timestamp_text(moment: datetime) -> str:
    """Return a time as it is stored: in UTC with microseconds, so that texts sort in the order of time."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@cache
def _converter(declared: str) -> Callable[[Any], SqlValue]:
    found = _TYPE_NAME.match(declared)
    return _CONVERTERS.get(found.group(), _any_value) if found else _any_value


def _any_value(value: object) -> SqlValue:
    if isinstance(value, (dict, list)):
        return dump_json(value)
    if isinstance(value, int):
        return _int64(int(value))
    if isinstance(value, (str, bytes, float)):
        return value
    raise TypeError


def _int64(value: int) -> int:
    if value not in _INT64:
        raise OverflowError
    return value


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return _int64(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return _int64(int(value))
    raise TypeError


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _numeric(value: object) -> SqlValue:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    if not Decimal(value).is_finite():
        raise ValueError
    return str(value) if isinstance(value, int) else value


def _boolean(value: object) -> int:
    if isinstance(value, str):
        return {"true": 1, "false": 0}[value.lower()] if value.lower() in {"true", "false"} else _reject()
    return int(value) if isinstance(value, bool) else _reject()


def _reject() -> int:
    raise TypeError


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(_text(value), validate=True)


def _json(value: object) -> SqlValue:
    """Convert a text that contains JSON; as in the real service, a JSON object itself is rejected."""
    text = _text(value)
    parsed = parse_json(text)
    # SQLite gives JSON columns numeric affinity: it would convert the text of a number by its own rules.
    # Therefore a number is passed as a number.
    return text if isinstance(parsed, (dict, list, str, bool)) or parsed is None else _any_value(parsed)


def _timestamp(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return timestamp_text(_EPOCH + timedelta(microseconds=value))
    moment = datetime.fromisoformat(_text(value).removesuffix(" UTC"))
    return timestamp_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _datetime(value: object) -> str:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo:
        raise ValueError
    return moment.isoformat()


def _date(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return (_EPOCH + timedelta(days=value)).date().isoformat()
    return date.fromisoformat(_text(value)).isoformat()


def _time(value: object) -> str:
    return time.fromisoformat(_text(value)).isoformat()


def _nested(value: object) -> SqlValue:
    return _any_value(value) if isinstance(value, (dict, list)) else _reject()


#: The first word of a declared type → the function that converts a value. The function raises ValueError,
#: OverflowError, TypeError or decimal.InvalidOperation for a value that the type does not accept.
_CONVERTERS: Final[dict[str, Callable[[Any], SqlValue]]] = {
    **dict.fromkeys(("INT64", "INTEGER", "INT", "SMALLINT", "BIGINT", "TINYINT", "BYTEINT"), _integer),
    **dict.fromkeys(("FLOAT64", "FLOAT", "REAL", "DOUBLE"), _float),
    **dict.fromkeys(("NUMERIC", "DECIMAL", "BIGNUMERIC", "BIGDECIMAL"), _numeric),
    **dict.fromkeys(("BOOL", "BOOLEAN"), _boolean),
    **dict.fromkeys(("STRING", "TEXT", "VARCHAR", "CHAR", "CHARACTER", "NVARCHAR", "CLOB"), _text),
    **dict.fromkeys(("BYTES", "BLOB"), _bytes),
    **dict.fromkeys(("STRUCT", "RECORD", "ARRAY"), _nested),
    "JSON": _json,
    "TIMESTAMP": _timestamp,
    "DATETIME": _datetime,
    "DATE": _date,
    "TIME": _time,
}


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
