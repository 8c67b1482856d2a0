"""The body of a push request, read within limits."""

import flask
from werkzeug.exceptions import ClientDisconnected

from contract.faults import UnreadableEnvelope
from push_endpoint.envelope import MAX_ENVELOPE_BYTES

#: Largest request body that is read, in bytes: the largest push of Pub/Sub, which is 10,000,000 bytes of data
#: in base64 with attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024


def read_push_body(request: flask.Request) -> bytes:
    """Return the request's body.

    A body larger than `MAX_ENVELOPE_BYTES` is read too, up to `MAX_REQUEST_BYTES`: a sender that is still
    writing would not see the response. `Envelope.parse` rejects it.

    Raises:
        UnreadableEnvelope: if the body has no `Content-Length`, is larger than any push, or ends early.
    """
    length = request.content_length
    if length is None or length > MAX_REQUEST_BYTES:
        size = "unknown size" if length is None else f"{length} bytes"
        why = f"a push of {size}; at most {MAX_ENVELOPE_BYTES} bytes are read"
        raise UnreadableEnvelope.single_fault(b"", why)
    try:
        return request.get_data(cache=False)
    except ClientDisconnected:
        why = f"the push ended before its {length} bytes"
        raise UnreadableEnvelope.single_fault(b"", why) from None
