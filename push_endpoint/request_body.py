"""Reads the bodies of requests, within limits. They may have a Content-Length or come in chunks."""

import io

import flask
from werkzeug.exceptions import ClientDisconnected

from contract.faults import UnreadableEnvelope
from push_endpoint.envelope import MAX_ENVELOPE_BYTES

#: Maximum size of a request body that is read, in bytes. It suffices for the largest push of Pub/Sub:
#: 10,000,000 bytes of data in base64, with attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024  #: number of bytes of one read


class BodyTooLarge(Exception):
    """The body has more bytes than may be read; the message says how many."""


class IncompleteBody(Exception):
    """The body ended before its announced length or its last chunk."""


def read_body(request: flask.Request, max_bytes: int) -> bytes:
    """Return the request's body. The framework cannot read it again.

    Raises:
        BodyTooLarge: if the body has more than `max_bytes`. With a Content-Length it is not read at all, and
            in chunks only up to the maximum.
        IncompleteBody: if the body ends early.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise BodyTooLarge(f"{length} bytes")
    body = bytearray()
    try:
        while chunk := request.stream.read(READ_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise BodyTooLarge(f"more than {max_bytes} bytes")
    except ClientDisconnected:
        raise IncompleteBody(f"before its {length} bytes were received") from None
    except OSError as error:  # gunicorn's errors of chunks
        raise IncompleteBody(f"before its last chunk was received ({type(error).__name__})") from None
    return bytes(body)


def read_push_body(request: flask.Request) -> bytes:
    """Return the body of a push.

    A body of more than `MAX_ENVELOPE_BYTES`, which `Envelope.parse` will reject, is read as well, up to
    `MAX_REQUEST_BYTES`, because a sender does not read the response while it is still sending.

    Raises:
        UnreadableEnvelope: if the body is larger than any push, or ends early.
    """
    try:
        return read_body(request, MAX_REQUEST_BYTES)
    except BodyTooLarge as error:
        why = f"a push of {error}; the maximum is {MAX_ENVELOPE_BYTES} bytes"
        raise UnreadableEnvelope.single_fault(b"", why) from None
    except IncompleteBody as error:
        raise UnreadableEnvelope.single_fault(b"", f"the push ended {error}") from None


def leave_unread(request: flask.Request) -> None:
    """Make the rest of the body empty for the framework.

    functions-framework reads the whole body into memory after the response was made, even if the request was
    rejected because of its size. gunicorn discards the rest, within limits, or closes the connection.
    """
    request.stream = io.BytesIO()
