"""Reads the body of a push request, within limits."""

import flask
from werkzeug.exceptions import ClientDisconnected

from contract.faults import UnreadableEnvelope
from push_endpoint.envelope import MAX_ENVELOPE_BYTES

#: Maximum size of a request body that is read, in bytes. It suffices for the largest push of Pub/Sub:
#: 10,000,000 bytes of data in base64, with attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024


def read_push_body(request: flask.Request) -> bytes:
    """Return the request's body.

    A body of more than `MAX_ENVELOPE_BYTES`, which `Envelope.parse` will reject, is read as well, up to
    `MAX_REQUEST_BYTES`, because a sender does not read the response while it is still sending.

    Raises:
        UnreadableEnvelope: if the body has no `Content-Length`, is larger than any push, or ends early.
    """
    length = request.content_length
    if length is None or length > MAX_REQUEST_BYTES:
        size = "unknown size" if length is None else f"{length} bytes"
        why = f"a push of {size}; the maximum is {MAX_ENVELOPE_BYTES} bytes"
        raise UnreadableEnvelope.single_fault(b"", why)
    try:
        return request.get_data(cache=False)
    except ClientDisconnected:
        why = f"the push ended before its {length} bytes were received"
        raise UnreadableEnvelope.single_fault(b"", why) from None
