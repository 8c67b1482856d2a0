"""`receive` checks the token, reads the body and parses the envelope, and never raises an exception."""

import json

import pytest

from contract.faults import UnreadableEnvelope
from contract.outcome import Reason
from push_endpoint.authentication import accept_any_caller
from push_endpoint.envelope import Envelope
from push_endpoint.errors import AuthenticationError
from push_endpoint.receive import RejectedPush, receive

PUSH = json.dumps({"message": {"messageId": "42", "data": "e30="}, "deliveryAttempt": 2}).encode()


def reject_every_caller(authorization: str) -> None:
    """Raise the error of a wrong token."""
    raise AuthenticationError(Reason.BAD_TOKEN, authorization)


def test_receive_returns_the_envelope() -> None:
    """If the token is accepted and the body is valid, the envelope of the push is returned."""
    push = receive(accept_any_caller, "", lambda: PUSH)
    assert isinstance(push, Envelope)
    assert (push.data, push.message_id, push.delivery_attempt) == (b"{}", "42", 2)


def test_receive_reads_no_body_of_an_unauthenticated_push() -> None:
    """If the token is rejected, the body is not read, and the reason is that of the token check."""
    bodies_read = []

    def read_body() -> bytes:
        bodies_read.append(PUSH)
        return PUSH

    assert receive(reject_every_caller, "Bearer x", read_body) == RejectedPush(Reason.BAD_TOKEN, "Bearer x")
    assert bodies_read == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"message": {}}'])
def test_receive_rejects_an_unreadable_envelope(body: bytes) -> None:
    """A body that is not a push is rejected with `bad_envelope` and a detail."""
    push = receive(accept_any_caller, "", lambda: body)
    assert isinstance(push, RejectedPush)
    assert (push.reason, push.error) == (Reason.BAD_ENVELOPE, None)
    assert push.detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnreadableEnvelope.single_fault(b"", "incomplete"), Reason.BAD_ENVELOPE),
        (RuntimeError("bug"), Reason.INTERNAL_ERROR),
    ],
)
def test_receive_rejects_a_push_whose_body_cannot_be_read(error: Exception, reason: Reason) -> None:
    """If reading the body fails, the push is rejected; an unexpected exception is kept in the result."""

    def read_body() -> bytes:
        raise error

    push = receive(accept_any_caller, "", read_body)
    assert isinstance(push, RejectedPush)
    assert push.reason is reason
    assert push.error is (error if reason is Reason.INTERNAL_ERROR else None)
