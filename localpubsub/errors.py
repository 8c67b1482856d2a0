"""Defines the errors that localpubsub raises on purpose.

The tree shows who can fix the cause of each error, and explains the kinds of RequestRejected::

    LocalPubsubError
    ├── RequestRejected      the caller, who gets a gRPC status with an explanation
    │   ├── InvalidArgument      the request can never succeed as it is written
    │   │   └── InvalidAckIds        some ack ids of an exactly-once subscription are rejected
    │   ├── NotFound             the named resource does not exist
    │   ├── AlreadyExists        a resource with this name exists already
    │   ├── FailedPrecondition   the request is valid, but the resource is in the wrong state
    │   ├── Aborted              another request changed the resource in the meantime
    │   └── Unimplemented        the request uses a feature of Pub/Sub that localpubsub does not have
    ├── SchemaMismatch       the publisher: the data of a message does not match its schema
    ├── TransformFailed      the owner of a message transform: its function failed for a message
    ├── RowRejected          the publisher: a message cannot become a row of its table
    ├── ExportBlocked        the owner of the destination: it accepts no messages at the moment
    ├── StoreFailure         the operator: the data file could not be read or written
    └── CannotStart          the operator: a port, an option or the data directory cannot be used
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

#: Maximum length of the message of a status, in characters. gRPC clients accept 8 KiB of metadata, in which a
#: character may take 12 bytes (4 in UTF-8, each percent-encoded); with more they report RESOURCE_EXHAUSTED.
MAX_MESSAGE_LENGTH: Final = 600


def status_message(error: Exception) -> str:
    """Return the text of an error for a caller, shortened in the middle if it quotes a very long value."""
    text = str(error)
    if len(text) <= MAX_MESSAGE_LENGTH:
        return text
    half = MAX_MESSAGE_LENGTH // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


class LocalPubsubError(Exception):
    """The base of all errors that localpubsub raises on purpose."""


class RequestRejected(LocalPubsubError):
    """A request is rejected; the text of the error is the message of the gRPC status."""

    code: ClassVar[str] = "UNKNOWN"  #: Name of the gRPC status code.
    #: Metadata of the status's google.rpc.ErrorInfo, which client libraries read. If it is empty, the status
    #: has no ErrorInfo.
    error_info: Mapping[str, str] = MappingProxyType({})


class InvalidArgument(RequestRejected):
    """The request can never succeed as it is written."""

    code = "INVALID_ARGUMENT"


class NotFound(RequestRejected):
    """The named resource does not exist."""

    code = "NOT_FOUND"

    def __init__(self, resource: str) -> None:
        super().__init__(f"Resource not found (resource={resource}).")


class AlreadyExists(RequestRejected):
    """A resource with this name exists already."""

    code = "ALREADY_EXISTS"

    def __init__(self, resource: str) -> None:
        super().__init__(f"Resource already exists in the project (resource={resource}).")


class FailedPrecondition(RequestRejected):
    """The request is valid, but the resource is in the wrong state."""

    code = "FAILED_PRECONDITION"


class Aborted(RequestRejected):
    """Another request changed the resource since the caller read it."""

    code = "ABORTED"


class InvalidAckIds(InvalidArgument):
    """Some ack ids of a request on an exactly-once subscription were rejected; the others were accepted.

    Args:
        ack_ids: ack ids whose lease has ended.
        unordered: ack ids of messages for which an earlier message of the ordering key is not acknowledged.
    """

    def __init__(self, ack_ids: Iterable[str], unordered: Iterable[str] = ()) -> None:
        # The official clients look for these values, and send an ack with a transient failure again:
        # https://cloud.google.com/pubsub/docs/exactly-once-delivery
        self.error_info = {
            **dict.fromkeys(ack_ids, "PERMANENT_FAILURE_INVALID_ACK_ID"),
            **dict.fromkeys(unordered, "TRANSIENT_FAILURE_UNORDERED_ACK_ID"),
        }
        if "PERMANENT_FAILURE_INVALID_ACK_ID" in self.error_info.values():
            reason = (
                "were invalid. This could be because the acknowledgement ids have expired or the "
                "acknowledgement ids were malformed."
            )
        else:
            reason = "were sent out of order."
        super().__init__(f"Some acknowledgement ids in the request {reason}")


class Unimplemented(RequestRejected):
    """The request uses a feature of Pub/Sub that localpubsub does not have.

    Such a request is rejected, because ignoring the feature would change the behaviour unnoticed.
    """

    code = "UNIMPLEMENTED"


class SchemaMismatch(LocalPubsubError):
    """The data of a message does not match its schema; the text names the place and the reason."""


class TransformFailed(LocalPubsubError):
    """The function of a message transform failed; the text names the function and the reason."""


class RowRejected(LocalPubsubError):
    """A message cannot become a row of its table; the text names the field and the reason."""


class ExportBlocked(LocalPubsubError):
    """No message can be exported at the moment, because of a problem with the destination.

    Attributes:
        state: name of a state of BigQueryConfig or CloudStorageConfig; ACTIVE if the cause is temporary.
    """

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class StoreFailure(LocalPubsubError):
    """SQLite could not read or write; no part of the transaction that it could not write is in the file.

    Attributes:
        code: name of the gRPC status code; RESOURCE_EXHAUSTED if the disk is full, otherwise INTERNAL.
    """

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.code = "RESOURCE_EXHAUSTED" if full else "INTERNAL"


class CannotStart(LocalPubsubError):
    """The server cannot start with its options; the text explains what to change."""
