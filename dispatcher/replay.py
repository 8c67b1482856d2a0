"""One replay: the push of a dead letter in, the same job published again, and only then acknowledged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from contract.dead_letter import strip_dead_letter_attributes
from contract.faults import UnreadableEnvelope
from contract.job import JobAttributes
from contract.outcome import Reason
from publishing.publisher import Message, PublishUnconfirmed
from push_endpoint.authentication import Authenticate, AuthenticationError
from push_endpoint.envelope import Envelope


class Publish(Protocol):
    """Whatever publishes one message to the jobs topic."""

    def __call__(self, message: Message) -> str:
        """Return the message's id once confirmed; raise `PublishUnconfirmed` where it is not."""


@dataclass(frozen=True)
class Replay:
    """How the push of one dead letter ended.

    Attributes:
        reason: `ok` where it is a job again; the answer follows from it.
        detail: for people.
        letter_id: the dead letter's message id.
        message_id: of the job published for it.
        attributes: the letter's own, as far as well formed.
        error: the exception nobody foresaw.
    """

    reason: Reason
    detail: str = ""
    letter_id: str = ""
    message_id: str = ""
    attributes: JobAttributes = field(default_factory=JobAttributes)
    error: Exception | None = None


@dataclass(frozen=True)
class Replayer:
    """Takes pushes of dead letters.

    Attributes:
        authenticate: decides who is heard.
        publish: to the jobs topic.
    """

    authenticate: Authenticate
    publish: Publish

    def replay(self, authorization: str, read_body: Callable[[], bytes]) -> Replay:
        """Publish the job of a dead letter again; never raises.

        Args:
            authorization: the header.
            read_body: asked once the token is known to be good; may raise `UnreadableEnvelope`.
        """
        ended = Replay(Reason.INTERNAL_ERROR)
        try:
            self.authenticate(authorization)
            letter = Envelope.parse(read_body())
            attributes = JobAttributes.read(letter.attributes)
            ended = replace(ended, letter_id=letter.message_id, attributes=attributes)
            message_id = self.publish(job_of(letter))
        except AuthenticationError as wrong:
            return replace(ended, reason=wrong.reason, detail=wrong.detail)
        except UnreadableEnvelope as wrong:
            return replace(ended, reason=Reason.BAD_ENVELOPE, detail=str(wrong))
        except PublishUnconfirmed as wrong:
            return replace(ended, reason=Reason.PUBLISH_UNCONFIRMED, detail=str(wrong))
        except Exception as bug:  # noqa: BLE001 - nothing unknown is ever acknowledged
            return replace(ended, detail=f"{type(bug).__name__}: {bug}", error=bug)
        return replace(ended, reason=Reason.OK, message_id=message_id)


def job_of(letter: Envelope) -> Message:
    """Return the message that died: what was written about its death is left out, all else is kept."""
    return Message(letter.data, strip_dead_letter_attributes(letter.attributes), letter.ordering_key)
