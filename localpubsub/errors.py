"""What can go wrong, by whose fault it is.

::

    LocalPubsubError
    ├── Refusal              the caller's: becomes a gRPC status with a sentence
    │   ├── InvalidArgument      the request can never work as it stands
    │   ├── NotFound             the topic or subscription named does not exist
    │   ├── AlreadyExists        the name is taken
    │   ├── FailedPrecondition   right request, wrong state of the resource
    │   ├── Aborted              somebody else changed it in between
    │   └── Unimplemented        Pub/Sub can do it, localpubsub cannot (yet)
    ├── Misfit               a message's: it does not fit the table it is to be exported to
    ├── ExportBlocked        the destination's: nothing can be exported there for the time being
    ├── StoreFailure         the disk's: nothing of the transaction was kept
    └── CannotStart          the operator's: port or data directory; a sentence, never a stack trace
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar


class LocalPubsubError(Exception):
    """Everything localpubsub raises on purpose."""


class Refusal(LocalPubsubError):
    """A request is refused; ``code`` is the name of a gRPC status code."""

    code: ClassVar[str] = "UNKNOWN"
    reasons: Mapping[str, str] = MappingProxyType({})  #: for machines: ErrorInfo.metadata (google.rpc)


class InvalidArgument(Refusal):
    """The request can never work as it stands."""

    code = "INVALID_ARGUMENT"


class NotFound(Refusal):
    """The resource named does not exist."""

    code = "NOT_FOUND"

    def __init__(self, resource: str) -> None:
        super().__init__(f"Resource not found (resource={resource}).")


class AlreadyExists(Refusal):
    """The name is taken."""

    code = "ALREADY_EXISTS"

    def __init__(self, resource: str) -> None:
        super().__init__(f"Resource already exists in the project (resource={resource}).")


class FailedPrecondition(Refusal):
    """The request is right, the state of the resource is not."""

    code = "FAILED_PRECONDITION"


class Aborted(Refusal):
    """Somebody else changed the resource since it was read."""

    code = "ABORTED"


class InvalidAckIds(InvalidArgument):
    """With exactly-once delivery: some acks or deadlines came too late. The others were taken."""

    def __init__(self, ack_ids: Iterable[str]) -> None:
        super().__init__(
            "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement "
            "ids have expired or the acknowledgement ids were malformed."
        )
        # What the official clients look for: https://cloud.google.com/pubsub/docs/exactly-once-delivery
        self.reasons = dict.fromkeys(ack_ids, "PERMANENT_FAILURE_INVALID_ACK_ID")


class Unimplemented(Refusal):
    """Pub/Sub offers this; localpubsub does not, and says so rather than ignoring it."""

    code = "UNIMPLEMENTED"


class Misfit(LocalPubsubError):
    """A message does not fit where it is to be exported to; the text says what of it does not."""


class ExportBlocked(LocalPubsubError):
    """No message can be exported for the time being, through no fault of its own.

    ``state`` is the name of a state of BigQueryConfig and CloudStorageConfig; ACTIVE for what will pass.
    """

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class StoreFailure(LocalPubsubError):
    """The disk refused a transaction: nothing of it was kept.

    ``code`` is RESOURCE_EXHAUSTED when the disk is full, otherwise INTERNAL.
    """

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.code = "RESOURCE_EXHAUSTED" if full else "INTERNAL"


class CannotStart(LocalPubsubError):
    """The server cannot start as it was asked to: one sentence that says what to change."""
