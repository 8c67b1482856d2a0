"""Checks that the JSON of a request fits the types of its protobuf fields, and explains faults. Pure.

``json_format.ParseDict`` reports some wrong types with the text of a Python exception, and accepts others: an
empty list as a message, or base64 text with characters that are not base64.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf import duration_pb2, timestamp_pb2  # type: ignore[import-untyped]  # no py.typed

from localpubsub.errors import InvalidArgument

Json: TypeAlias = Any
Descriptor: TypeAlias = Any  # protobuf publishes no types
FieldDescriptor: TypeAlias = Any

#: Messages whose JSON is text (https://protobuf.dev/programming-guides/json/): what the text must be, and a
#: function that raises ValueError for an invalid one.
_TEXTS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "google.protobuf.Timestamp": (
        'a time such as "2026-01-31T12:00:00Z"',
        lambda text: timestamp_pb2.Timestamp().FromJsonString(text),
    ),
    "google.protobuf.Duration": (
        'a number of seconds such as "600s"',
        lambda text: duration_pb2.Duration().FromJsonString(text),
    ),
    "google.protobuf.FieldMask": ('names of fields such as "labels,topic"', str),
}
#: Messages that accept any JSON.
_ANY: Final = {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"}

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")  # RFC 4648, the standard and the URL-safe alphabet
_INTEGER: Final = re.compile(r"-?[0-9]+")
_MAX_SHOWN: Final = 60  #: Maximum number of characters of a value in a message.


def check_message(descriptor: Descriptor, value: Json, path: str) -> None:
    """Check the JSON of a message.

    Args:
        descriptor: the message's descriptor.
        value: its JSON.
        path: where the JSON is in the request, for the message of the error.

    Raises:
        InvalidArgument: a field is unknown, or its value has another type than the field.
    """
    if descriptor.full_name in _ANY:
        return
    if text := _TEXTS.get(descriptor.full_name):
        expected, parse = text
        _expect(isinstance(value, str) and _succeeds(parse, value), expected, value, path)
        return
    _expect(isinstance(value, dict), "an object", value, path)
    for name, content in value.items():
        field = descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)
        if field is None:
            place = path or descriptor.name
            raise _invalid(f"Unknown name \"{_shown(name)}\" at '{place}': Cannot find field.")
        if content is not None:
            _check_field(field, content, f"{path}.{name}" if path else name)


def _check_field(field: FieldDescriptor, value: Json, path: str) -> None:
    if not field.is_repeated:
        _check_value(field, value, path)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _expect(isinstance(value, dict), "an object", value, path)
        for key, content in value.items():
            _check_value(field.message_type.fields_by_name["value"], content, f"{path}[{_shown(key)}]")
    else:
        _expect(isinstance(value, list), "a list", value, path)
        for index, content in enumerate(value):
            _check_value(field, content, f"{path}[{index}]")


def _check_value(field: FieldDescriptor, value: Json, path: str) -> None:
    """Check a value that is not null; the elements of lists and maps may not be null."""
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        check_message(field.message_type, value, path)
    elif field.cpp_type == field.CPPTYPE_BOOL:
        _expect(isinstance(value, bool), "true or false", value, path)
    elif field.cpp_type == field.CPPTYPE_ENUM:
        names = [name for name in field.enum_type.values_by_name if not name.endswith("_UNSPECIFIED")]
        known = value in field.enum_type.values_by_name if isinstance(value, str) else _is_integer(value)
        _expect(known, f"one of {', '.join(names)}", value, path)
    elif field.cpp_type in {field.CPPTYPE_INT32, field.CPPTYPE_INT64}:
        bits = 32 if field.cpp_type == field.CPPTYPE_INT32 else 64
        number = int(value) if _is_integer(value) else None
        fits = number is not None and -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)
        _expect(fits, f"an integer of {bits} bits", value, path)
    elif field.type == field.TYPE_BYTES:
        _expect(isinstance(value, str) and _is_base64(value), "base64 text", value, path)
    elif field.cpp_type == field.CPPTYPE_STRING:
        _expect(isinstance(value, str), "text", value, path)


def _succeeds(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _is_integer(value: Json) -> bool:
    if isinstance(value, str):
        # Python refuses to convert very long texts, and no field has so many digits.
        return len(value) <= _MAX_SHOWN and _INTEGER.fullmatch(value) is not None
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_base64(text: str) -> bool:
    return _BASE64.fullmatch(text) is not None and len(text.rstrip("=")) % 4 != 1


def _expect(is_valid: bool, expected: str, value: Json, path: str) -> None:  # noqa: FBT001 - the condition itself
    if not is_valid:
        raise _invalid(f"Invalid value at '{path}': it must be {expected}, not {_kind(value)}.")


def _kind(value: Json) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f'the text "{_shown(value)}"'
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"the number {_shown(str(value))}"


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _invalid(reason: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid JSON payload received. {reason}")
