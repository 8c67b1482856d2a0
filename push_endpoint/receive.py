"""Begins the handling of a push: checks the token, reads the body, and parses the envelope."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.attempt import internal_error
from contract.faults import UnreadableEnvelope
from contract.outcome import Reason
from push_endpoint.authentication import Authenticate
from push_endpoint.envelope import MAX_ENVELOPE_BYTES, Envelope
from push_endpoint.errors import AuthenticationError


@dataclass(frozen=True)
class RejectedPush:
    """A push whose message was not read.

    Attributes:
        reason: one of the reasons of `AuthenticationError`, `bad_envelope` or `internal_error`.
        detail: a sentence for people.
        error: the unexpected exception of an `internal_error`, for its stack trace; else None.
    """

    reason: Reason
    detail: str
    error: Exception | None = None


def receive(
    authenticate: Authenticate,
    authorization: str,
    read_body: Callable[[], bytes],
    max_bytes: int = MAX_ENVELOPE_BYTES,
) -> Envelope | RejectedPush:
    """Return the envelope of a push, or why it is rejected; never raises.

    Args:
        authenticate: checks the token.
        authorization: the request's `Authorization` header; `""` if missing.
        read_body: returns the request's body, or raises `UnreadableEnvelope`. It is called only after the
            token was accepted, so that the body of an unauthenticated request is never read into memory.
        max_bytes: the maximum size of the body in bytes.
    """
    try:
        authenticate(authorization)
        return Envelope.parse(read_body(), max_bytes)
    except AuthenticationError as error:
        return RejectedPush(error.reason, error.detail)
    except UnreadableEnvelope as error:
        return RejectedPush(Reason.BAD_ENVELOPE, str(error))
    except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
        return RejectedPush(Reason.INTERNAL_ERROR, internal_error(error).detail, error)
