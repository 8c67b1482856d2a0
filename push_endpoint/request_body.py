"""Reads the bodies of requests, with a Content-Length or in chunks, within limits of size and time."""

import io
import time

import flask

from contract.faults import UnreadableEnvelope
from push_endpoint.envelope import MAX_ENVELOPE_BYTES
from push_endpoint.read_deadlines import ReadDeadlines, shut_down_reading

#: Maximum size of a request body that is read, in bytes. It suffices for the largest push of Pub/Sub:
#: 10,000,000 bytes of data in base64, with attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024  #: number of bytes of one read
BODY_SECONDS = 30.0  #: seconds in which a body must have been received; a crawl of 1 MiB then needs 35 KB/s
_WAS_READ = "scrapeq.body_was_read"  # set in the WSGI environment
_CONNECTION = "gunicorn.socket"  # the name of the connection in the WSGI environment
_DEADLINES = ReadDeadlines()


class BodyTooLarge(Exception):
    """The body has more bytes than may be read; the message says how many."""


class IncompleteBody(Exception):
    """The body ended early, is malformed, or was not received in time; the message completes "the body …"."""


def read_body(request: flask.Request, max_bytes: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """Return the request's body. The framework cannot read it again.

    Args:
        request: the request.
        max_bytes: the largest permitted size.
        seconds: seconds in which the whole body must have been received.

    Raises:
        BodyTooLarge: if the body has more than `max_bytes`. With a Content-Length it is not read at all, and
            in chunks only up to the maximum.
        IncompleteBody: if the body ends early, has malformed chunks, or is not received in time.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise BodyTooLarge(f"{length} bytes")
    started = time.monotonic()
    try:
        with _DEADLINES.reading_until(started + seconds, request.environ.get(_CONNECTION)):
            body = _read(request, max_bytes, started + seconds)
    except BodyTooLarge:
        raise
    except Exception as error:  # noqa: BLE001 - the client's bytes are read, and each server has errors of its own
        if time.monotonic() - started >= seconds:
            raise IncompleteBody(f"was not received within {seconds:g} s") from None
        if length:
            raise IncompleteBody(f"ended before its {length} bytes were received") from None
        why = f"ended before its last chunk was received, or a chunk is malformed ({type(error).__name__})"
        raise IncompleteBody(why) from None
    request.environ[_WAS_READ] = True
    return body


def _read(request: flask.Request, max_bytes: int, ends_at: float) -> bytes:
    body = bytearray()
    while chunk := request.stream.read(READ_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLarge(f"more than {max_bytes} bytes")
        if time.monotonic() >= ends_at:
            raise TimeoutError
    # gunicorn tells werkzeug that it limits the body itself, but it returns a shorter body without an error.
    if len(body) < (request.content_length or 0):
        raise EOFError
    return bytes(body)


def read_push_body(request: flask.Request) -> bytes:
    """Return the body of a push.

    A body of more than `MAX_ENVELOPE_BYTES`, which `Envelope.parse` will reject, is read as well, up to
    `MAX_REQUEST_BYTES`, because a sender does not read the response while it is still sending.

    Raises:
        UnreadableEnvelope: if the body is larger than any push, incomplete, malformed, or too slow.
    """
    try:
        return read_body(request, MAX_REQUEST_BYTES)
    except BodyTooLarge as error:
        why = f"a push of {error}; the maximum is {MAX_ENVELOPE_BYTES} bytes"
        raise UnreadableEnvelope.single_fault(b"", why) from None
    except IncompleteBody as error:
        raise UnreadableEnvelope.single_fault(b"", f"the push {error}") from None


def leave_unread(request: flask.Request) -> None:
    """Make the rest of the body empty for the framework, and stop waiting for it.

    functions-framework reads the whole body into memory after the response was made, even if the request was
    rejected because of its size. gunicorn discards the rest before it closes or reuses the connection, and
    waits some seconds for it, during which a thread is occupied.
    """
    request.stream = io.BytesIO()
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    connection = request.environ.get(_CONNECTION)
    if has_body and connection is not None and not request.environ.get(_WAS_READ):
        shut_down_reading(connection)
