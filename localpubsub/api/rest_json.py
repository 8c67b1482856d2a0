"""JSON of the REST API to protobuf requests, and back. Pure: bytes in, values out.

https://cloud.google.com/endpoints/docs/grpc/transcoding, https://protobuf.dev/programming-guides/json/,
https://cloud.google.com/apis/docs/system-parameters.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.api.rest_routes import Route
from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import RequestPb, ResponsePb

Json: TypeAlias = Any

#: HTTP status of each code (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
HTTP_STATUS: Final = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}

#: Query parameters of every Google API, which name no field of a request.
SYSTEM_PARAMETERS: Final = frozenset(
    {
        "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint", "quotaUser",
        "upload_protocol", "uploadType", "userIp", "$.xgafv", "$alt", "$callback", "$ct", "$fields",
        "$httpHeaders", "$httpMethod", "$key", "$outputDefaults", "$prettyPrint", "$quotaUser", "$req",
        "$unique", "$userProject",
    }
)  # fmt: skip
_UNKNOWN: Final = re.compile(r'has no field named "([^"]+)" at "([^"]+)"')
_BOOLEANS: Final = {"true": True, "false": False}


def decode(message: RequestPb, route: Route, query: Iterable[tuple[str, str]], body: bytes) -> RequestPb:
    """The request: an instance of ``message``, from body, query and path. InvalidArgument names the field."""
    fields: dict[str, Json] = {}
    if route.body and body:
        given = _parsed(body)
        fields = given if route.body == "*" else {route.body: given}
    for name, value in query:
        if name not in SYSTEM_PARAMETERS:
            _bind(message.DESCRIPTOR, fields, name, value)
    path = route.field.split(".")
    _holder(fields, path)[path[-1]] = route.value
    return parsed(message, fields)


def parsed(message: RequestPb, fields: Json) -> RequestPb:
    """An instance of ``message`` with these fields; InvalidArgument names the one that does not fit."""
    request = message()
    try:
        json_format.ParseDict(_with_camel_mask(fields), request)
    except (json_format.ParseError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"Invalid JSON payload received. {_reason(error)}") from None
    return request


def encode(response: ResponsePb, *, enums_as_numbers: bool = False, pretty: bool = True) -> bytes:
    """The JSON of a response: fields in camelCase, those with their default value left out."""
    fields = json_format.MessageToDict(response, use_integers_for_enums=enums_as_numbers)
    return dumped(fields, pretty=pretty)


def error_body(code: str, sentence: str, *, pretty: bool = True) -> bytes:
    """Google's: ``{"error": {"code": 404, "message": "…", "status": "NOT_FOUND"}}``."""
    error = {"code": HTTP_STATUS[code], "message": sentence, "status": code}
    return dumped({"error": error}, pretty=pretty)


def dumped(fields: Json, *, pretty: bool = True) -> bytes:
    """Encoded as Google's servers do, indented by two unless asked not to."""
    text = json.dumps(fields, indent=2, ensure_ascii=False) if pretty else json.dumps(fields)
    return text.encode(errors="replace") + (b"\n" if pretty else b"")


def _parsed(body: bytes) -> Json:
    try:
        given = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"Invalid JSON payload received. {_reason(error)}") from None
    if not isinstance(given, dict):
        raise InvalidArgument("Invalid JSON payload received. Root element must be a message.")
    return given


def _reason(error: Exception) -> str:
    """Its first line, for json_format goes on to list every field there is."""
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    reason = str(error).partition("\n")[0].encode(errors="replace").decode()
    if unknown := _UNKNOWN.search(reason):
        return f"Unknown name \"{unknown[1]}\" at '{unknown[2]}': Cannot find field."
    return reason[:500]


def _bind(descriptor: Any, fields: dict[str, Json], name: str, text: str) -> None:  # noqa: ANN401 - untyped
    """Put a query parameter where its dotted name says; the last part may be repeated."""
    path = name.split(".")
    for part in path[:-1]:
        field = _field(descriptor, part, name)
        descriptor = field.message_type
    field = _field(descriptor, path[-1], name)
    value: Json = _BOOLEANS.get(text, text) if field.cpp_type == field.CPPTYPE_BOOL else text
    holder = _holder(fields, path)
    if field.is_repeated:
        given = holder.get(path[-1])
        if not isinstance(given, list | None):
            raise InvalidArgument(f"Invalid JSON payload received. {name!r} must be a list.")
        value = [*(given or []), value]
    holder[path[-1]] = value


def _field(descriptor: Any, part: str, name: str) -> Any:  # noqa: ANN401 - untyped
    found = descriptor and (
        descriptor.fields_by_name.get(part) or descriptor.fields_by_camelcase_name.get(part)
    )
    if not found:
        raise InvalidArgument(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
            f"Field '{part}' could not be found in request message."
        )
    return found


def _holder(fields: dict[str, Json], path: list[str]) -> dict[str, Json]:
    """The object that has the last part of a path, made where it is not there or null, which is the same."""
    for part in path[:-1]:
        if fields.get(part) is None:
            fields[part] = {}
        fields = fields[part]
        if not isinstance(fields, dict):
            raise InvalidArgument(f"Invalid JSON payload received. {part!r} must be an object.")
    return fields


def _with_camel_mask(fields: dict[str, Json]) -> dict[str, Json]:
    """An update mask may name fields either way; protobuf's JSON knows camelCase only."""
    for name in ("updateMask", "update_mask"):
        mask = fields.get(name)
        if isinstance(mask, str) and "_" in mask:
            first, *others = mask.split("_")
            camel = first + "".join(part[:1].upper() + part[1:] for part in others)
            fields = {**fields, name: camel}
    return fields
