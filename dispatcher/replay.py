"""Replays one dead letter: takes its push, publishes the same job again, and only then acknowledges."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contract.attempt import AttemptFailed, internal_error
from contract.dead_letter import strip_dead_letter_attributes
from contract.job import JobAttributes
from contract.outcome import Reason
from publishing.publisher import Message, Publisher
from push_endpoint.authentication import Authenticate
from push_endpoint.envelope import Envelope
from push_endpoint.receive import RejectedPush, receive


@dataclass(frozen=True)
class Replay:
    """How the push of one dead letter ended.

    Attributes:
        reason: `ok` if the job was published again; the HTTP status follows from the reason.
        detail: a sentence for people.
        dead_letter_id: the message id of the dead letter; `""` if the push was rejected.
        message_id: the message id of the job that was published; `""` if no job was published.
        attributes: the dead letter's attributes; a malformed one is empty.
        error: the unexpected exception of an `internal_error`, for its stack trace; else None.
    """

    reason: Reason
    detail: str = ""
    dead_letter_id: str = ""
    message_id: str = ""
    attributes: JobAttributes = field(default_factory=JobAttributes)
    error: Exception | None = None


@dataclass(frozen=True)
class Replayer:
    """Takes the pushes of a dead-letter subscription.

    Attributes:
        authenticate: checks the token of a push.
        jobs_publisher: publishes to the jobs topic.
    """

    authenticate: Authenticate
    jobs_publisher: Publisher

    def replay(self, authorization: str, read_body: Callable[[], bytes]) -> Replay:
        """Publish the job of a dead letter again; never raises.

        Args:
            authorization: the request's `Authorization` header; `""` if missing.
            read_body: returns the request's body, or raises `UnreadableEnvelope`; called after the token was
                accepted.
        """
        push = receive(self.authenticate, authorization, read_body)
        if isinstance(push, RejectedPush):
            return Replay(push.reason, push.detail, error=push.error)
        attributes = JobAttributes.read(push.attributes)
        replay = Replay(Reason.OK, dead_letter_id=push.message_id, attributes=attributes)
        try:
            message_id = self.jobs_publisher.publish(job_message(push))
        except AttemptFailed as error:
            return replace(replay, reason=error.reason, detail=error.detail)
        except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
            failure = internal_error(error)
            return replace(replay, reason=failure.reason, detail=failure.detail, error=error)
        return replace(replay, message_id=message_id)


def job_message(dead_letter: Envelope) -> Message:
    """Return the job's message as it was before it was dead-lettered."""
    attributes = strip_dead_letter_attributes(dead_letter.attributes)
    return Message(dead_letter.data, attributes, dead_letter.ordering_key)
