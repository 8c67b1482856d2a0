"""The body of a push request, within bounds."""

import flask
from werkzeug.exceptions import ClientDisconnected

from contract.faults import UnreadableEnvelope
from push_endpoint.envelope import MAX_ENVELOPE_BYTES

# Pub/Sub's largest push: 10,000,000 B of data in base64, attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024


def read_push(request: flask.Request) -> bytes:
    """Return the request's body.

    A body over the envelope's bound but within Pub/Sub's is read, so that the answer reaches the sender.

    Raises:
        UnreadableEnvelope: where it has no known size, is larger than any push, or ends early.
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
