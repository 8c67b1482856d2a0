"""Converts JSON of the REST API to protobuf requests, and protobuf responses to JSON. Pure.

https://cloud.google.com/endpoints/docs/grpc/transcoding, https://protobuf.dev/programming-guides/json/,
https://cloud.google.com/apis/docs/system-parameters.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.api.json_fields import check_message
from localpubsub.api.rest_routes import Route
from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import RequestPb, ResponsePb

Json: TypeAlias = Any

#: The HTTP status of each gRPC status code
#: (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto), except for UNIMPLEMENTED: its
#: status 501 would be retried by gcloud for half a minute, like each status of 500 or more (CheckResponse in
#: apitools/base/py/http_wrapper.py).
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
    "UNIMPLEMENTED": 400,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}

#: The query parameters that every Google API accepts. All other parameters are fields of the request.
SYSTEM_PARAMETERS: Final = frozenset(
    {
        "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint", "quotaUser",
        "upload_protocol", "uploadType", "userIp", "$.xgafv", "$alt", "$callback", "$ct", "$fields",
        "$httpHeaders", "$httpMethod", "$key", "$outputDefaults", "$prettyPrint", "$quotaUser", "$req",
        "$unique", "$userProject",
    }
)  # fmt: skip
_BOOLEANS: Final = {"true": True, "false": False}


def decode(message: RequestPb, route: Route, query: Iterable[tuple[str, str]], body: bytes) -> RequestPb:
    """Return the request, an instance of ``message``, from the body, the query parameters and the path.

    Raises:
        InvalidArgument: a field is unknown or has an invalid value; the message names the field.
    """
    fields: dict[str, Json] = {}
    if route.body and body:
        content = _parse_body(body)
        fields = content if route.body == "*" else {route.body: content}
    for name, value in query:
        if name not in SYSTEM_PARAMETERS:
            _set_query_parameter(message.DESCRIPTOR, fields, name, value)
    path = route.field.split(".")
    _parent_object(fields, path)[path[-1]] = route.value
    return parse_fields(message, fields)


def parse_fields(message: RequestPb, fields: Json) -> RequestPb:
    """Return an instance of ``message`` with these fields.

    Raises:
        InvalidArgument: a field is unknown or has an invalid value; the message names the field.
    """
    request = message()
    check_message(message.DESCRIPTOR, fields, "")
    try:
        json_format.ParseDict(_with_camel_case_mask(fields), request)
    except (json_format.ParseError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"Invalid JSON payload received. {_reason(error)}") from None
    return request


def encode(response: ResponsePb, *, enums_as_numbers: bool = False, pretty: bool = True) -> bytes:
    """Return the JSON of a response, with names in camelCase and without fields that have default values."""
    fields = json_format.MessageToDict(response, use_integers_for_enums=enums_as_numbers)
    return _dump(fields, pretty=pretty)


def error_body(code: str, message: str, *, pretty: bool = True) -> bytes:
    """Return an error as Google does: ``{"error": {"code": 404, "message": "…", "status": "NOT_FOUND"}}``."""
    error = {"code": HTTP_STATUS[code], "message": message, "status": code}
    return _dump({"error": error}, pretty=pretty)


def _dump(fields: Json, *, pretty: bool) -> bytes:
    """Encode JSON as Google's servers do: indented by two spaces if ``pretty``."""
    text = json.dumps(fields, indent=2, ensure_ascii=False) if pretty else json.dumps(fields)
    return text.encode(errors="replace") + (b"\n" if pretty else b"")


def _parse_body(body: bytes) -> Json:
    try:
        content = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"Invalid JSON payload received. {_reason(error)}") from None
    if not isinstance(content, dict):
        raise InvalidArgument("Invalid JSON payload received. Root element must be a message.")
    return content


def _reason(error: Exception) -> str:
    """Return the first line of an error's text, up to 500 characters."""
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    return str(error).partition("\n")[0].encode(errors="replace").decode()[:500]


def _set_query_parameter(
    descriptor: Any,  # noqa: ANN401 - protobuf publishes no types
    fields: dict[str, Json],
    name: str,
    text: str,
) -> None:
    """Set the field that a query parameter names by its dotted path; a repeated field gets one more value."""
    path = name.split(".")
    for part in path[:-1]:
        field = _field(descriptor, part, name)
        descriptor = field.message_type
    field = _field(descriptor, path[-1], name)
    value: Json = _BOOLEANS.get(text, text) if field.cpp_type == field.CPPTYPE_BOOL else text
    parent = _parent_object(fields, path)
    if field.is_repeated:
        current = parent.get(path[-1])
        if not isinstance(current, list | None):
            raise InvalidArgument(f"Invalid JSON payload received. {name!r} must be a list.")
        value = [*(current or []), value]
    parent[path[-1]] = value


def _field(descriptor: Any, part: str, name: str) -> Any:  # noqa: ANN401 - protobuf publishes no types
    found = descriptor and (
        descriptor.fields_by_name.get(part) or descriptor.fields_by_camelcase_name.get(part)
    )
    if not found:
        raise InvalidArgument(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
            f"Field '{part}' could not be found in request message."
        )
    return found


def _parent_object(fields: dict[str, Json], path: list[str]) -> dict[str, Json]:
    """Return the object that contains the last part of a path; create objects that are missing or null."""
    for part in path[:-1]:
        if fields.get(part) is None:
            fields[part] = {}
        fields = fields[part]
        if not isinstance(fields, dict):
            raise InvalidArgument(f"Invalid JSON payload received. {part!r} must be an object.")
    return fields


def _with_camel_case_mask(fields: dict[str, Json]) -> dict[str, Json]:
    """Convert an update mask in snake_case, which Google accepts, to camelCase, which protobuf requires."""
    for name in ("updateMask", "update_mask"):
        mask = fields.get(name)
        if isinstance(mask, str) and "_" in mask:
            first, *others = mask.split("_")
            camel = first + "".join(part[:1].upper() + part[1:] for part in others)
            fields = {**fields, name: camel}
    return fields
