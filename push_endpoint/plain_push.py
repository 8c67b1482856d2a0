"""Reads pushes of the form in which Pub/Sub sends them; every other request is left to the HTTP server. Pure.

gunicorn and Flask take 0.25 ms for a request and its response, a tenth of the processor time of a job in the
worker's main thread (benchmarks/README.md). The requests that are read here have one form: a request line,
simple fields, and a small body of a known size. Any other request is left to gunicorn's parser. So nothing
is read here that gunicorn would refuse or understand differently, and tests compare the two.
"""

import re
from typing import Final, NamedTuple

#: Maximum size of a head in bytes. gunicorn accepts more for all fields, but not for one.
MAX_HEAD_BYTES: Final = 8 * 1024
#: Maximum size of a body in bytes; it suffices for nearly all jobs. It is received before the token is
#: checked, so the bodies of unauthenticated requests can take this much memory for each connection.
MAX_BODY_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 100  #: maximum number of header fields, as in gunicorn

# RFC 9112 section 2.1, without anything about which parsers disagree: names with `_`, which look like others
# in WSGI; folded lines; bare CR and LF; and bytes beyond ASCII.
_HEAD = re.compile(rb"POST / HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[\t -~]*\r\n)+)\r\n")
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
_LENGTH = re.compile(r"[0-9]{1,5}")
#: Fields that change how a request is read or answered, and some that gunicorn compares with others.
_SPECIAL_FIELDS: Final = frozenset(
    {
        "connection",
        "expect",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-protocol",
        "x-forwarded-ssl",
    }
)


class OtherRequest(Exception):
    """The bytes are not a plain push, and will not become one."""


class PlainPush(NamedTuple):
    """A push.

    Attributes:
        headers: the values of the header fields, by their names in lower case.
        body: the body.
        size: number of bytes of the request.
    """

    headers: dict[str, str]
    body: bytes
    size: int


class PushResponse(NamedTuple):
    """The response to a push.

    Attributes:
        status: the HTTP status.
        document: JSON with the reason of a failure; `""` if the push is acknowledged.
    """

    status: int
    document: str


def read_push(received: bytes) -> PlainPush | int:
    """Return the push with which `received` begins.

    If more bytes can complete one, return the number of bytes that it has at least. Until they are received,
    it need not be read again, which takes long if its bytes arrive one by one.

    Raises:
        OtherRequest: if it begins with anything else.
    """
    head_size = received.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
    if head_size < 4:
        if len(received) >= MAX_HEAD_BYTES:
            raise OtherRequest
        return len(received) + 1
    headers = _read_fields(received[:head_size])
    size = head_size + _body_size(headers)
    return PlainPush(headers, received[head_size:size], size) if len(received) >= size else size


def _read_fields(head: bytes) -> dict[str, str]:
    match = _HEAD.fullmatch(head)
    if match is None:
        raise OtherRequest
    fields = _FIELD.findall(match[1].decode("ascii"))
    headers = {name.lower(): value.strip(" \t") for name, value in fields}
    if len(headers) < len(fields) or len(fields) > MAX_FIELDS or not _SPECIAL_FIELDS.isdisjoint(headers):
        raise OtherRequest
    return headers


def _body_size(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "")
    if not _LENGTH.fullmatch(length) or (size := int(length)) > MAX_BODY_BYTES:
        raise OtherRequest
    return size
