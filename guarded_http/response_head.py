"""Parses the head of a response, which is its status line and its header fields, as browsers do. Pure.

Lines that are no fields are ignored, as is white space. What says where the body ends is never guessed: if it
could be read in two ways, the response is refused (RFC 9112 section 6.3).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from contract.quoting import quote
from guarded_http.errors import FetchError, FetchErrorKind

MAX_HEADER_BYTES = 64 * 1024  #: maximum size of status line and header fields, including 1xx responses
MAX_LENGTH_DIGITS = 18  #: maximum number of digits of a Content-Length header
MAX_SET_COOKIES = 100  #: maximum number of Set-Cookie fields that are read; `FetchCookies` keeps 50 cookies
_STATUS_LINE = re.compile(r"HTTP/(1\.[0-9]+|0\.9)[ \t]+([1-9][0-9]{2})(?:[ \t\r]|$)")
# The name is a token (RFC 9110 section 5.6.2).
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_FRAMING = re.compile(r"transfer-encoding|content-length", re.IGNORECASE)
_BODILESS_STATUSES = frozenset({101, 204, 304})  # RFC 9112 section 6.3


class HeaderFields:
    """The header fields of a response.

    Args:
        values: name in lower case → values in the order of their fields.
    """

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        """Return the value of a field; `""` if missing.

        The values of a repeated field are joined by commas (RFC 9110 section 5.3).
        """
        return ", ".join(self._values.get(name.lower(), ()))

    def get_all(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """Return the values of all fields with a name, or the default if there are none."""
        return self._values.get(name.lower()) or list(default)


class ResponseHead(NamedTuple):
    """What a response says before its body.

    Attributes:
        status: the HTTP status.
        fields: the header fields.
        length: number of bytes of the body as it is sent; None if the body is chunked, or ends with the
            connection.
        is_chunked: whether the body is chunked.
        keeps_connection: whether the connection may be used again after the body.
    """

    status: int
    fields: HeaderFields
    length: int | None
    is_chunked: bool
    keeps_connection: bool


def parse_head(head: str) -> ResponseHead:
    """Return what the head of a response says.

    Args:
        head: status line, fields, and the empty line at the end, one Latin-1 character for each byte.

    Raises:
        FetchError: `connect` if there is no valid status line, if a field with the length of the body is
            malformed, or if the transfer coding is unknown or the Content-Length invalid; `too_large` if the
            Content-Length has too many digits.
    """
    status_line, *lines = head.split("\n")[:-2]
    match = _STATUS_LINE.match(status_line)
    if match is None:
        raise FetchError(FetchErrorKind.CONNECT, f"not a status line of HTTP/1: {quote(status_line, 80)}")
    status, fields = int(match[2]), parse_fields(lines)
    length, is_chunked, is_certain = _framing(status, fields)
    keeps_connection = is_certain and status != 101 and _keeps_connection(match[1], fields)
    return ResponseHead(status, fields, length, is_chunked, keeps_connection)


def parse_fields(lines: Iterable[str]) -> HeaderFields:
    """Return the fields in some lines, without white space around names and values.

    A line that begins with white space continues the field before it (RFC 9112 section 5.2). A line without a
    colon, or whose name contains other characters than a token, is ignored. CR and NUL inside a value become
    spaces (RFC 9110 section 5.5).

    Args:
        lines: the lines between status line and empty line, with or without a CR at their ends.

    Raises:
        FetchError: `connect`, if an ignored line could have the length of the body.
    """
    fields = dict[str, list[str]]()
    values: list[str] | None = None  # those of the field that the next line may continue
    for line in lines:
        if line[:1] in {" ", "\t"}:
            if values:
                values[-1] = f"{values[-1]} {_normal_value(line)}".strip(" \t")
            continue
        match = _FIELD.match(line)
        if match:
            values = fields.setdefault(match[1].lower(), [])
            values.append(_normal_value(match[2]))
        elif _FRAMING.search(line.partition(":")[0]):
            shown = quote(line.rstrip("\r"), 80)
            raise FetchError(FetchErrorKind.CONNECT, f"a malformed header field: {shown}")
        else:
            values = None
    if cookies := fields.get("set-cookie"):
        del cookies[MAX_SET_COOKIES:]  # parsing one takes 60 microseconds
    return HeaderFields(fields)


def _normal_value(value: str) -> str:
    return value.replace("\r", " ").replace("\0", " ").strip(" \t")


def _framing(status: int, fields: HeaderFields) -> tuple[int | None, bool, bool]:
    """Return the length of the body, whether it is chunked, and whether the next response can follow it."""
    has_body = status not in _BODILESS_STATUSES
    codings = _transfer_codings(fields.get("Transfer-Encoding"))
    lengths = fields.get("Content-Length")
    if codings == {"chunked"}:
        # Transfer-Encoding overrides Content-Length, but a server between here and there may have read the
        # latter (RFC 9112 section 6.3).
        return (None if has_body else 0), has_body, not lengths
    if codings:
        shown = quote(", ".join(sorted(codings)), 80)
        raise FetchError(FetchErrorKind.CONNECT, f"unsupported Transfer-Encoding: {shown}")
    length = _parse_content_length(lengths) if lengths else None
    return (length, False, length is not None) if has_body else (0, False, True)


def _transfer_codings(field: str) -> set[str]:
    """Return the names of the transfer codings, without `identity`, which old servers send for none."""
    if not field:
        return set()
    return {coding.strip().lower() for coding in field.split(",")} - {"", "identity"}


def _parse_content_length(field: str) -> int:
    """Return the length in bytes; repeated equal values are accepted as one (RFC 9110 section 8.6)."""
    value, *others = {part.strip() for part in field.split(",")}
    if others or not (value.isascii() and value.isdecimal()):
        raise FetchError(FetchErrorKind.CONNECT, f"invalid Content-Length: {quote(field, 80)}")
    if len(value) > MAX_LENGTH_DIGITS:
        raise FetchError(FetchErrorKind.TOO_LARGE, f"the Content-Length has {len(value)} digits")
    return int(value)


def _keeps_connection(version: str, fields: HeaderFields) -> bool:
    """Return whether the connection stays open, the default since HTTP/1.1 (RFC 9112 section 9.3)."""
    connection = fields.get("Connection").lower()
    if version in {"1.0", "0.9"}:
        return "keep-alive" in connection or bool(fields.get("Keep-Alive"))
    return "close" not in connection
