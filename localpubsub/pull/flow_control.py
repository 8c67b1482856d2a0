"""Counts the messages that a stream has leased against the limits of its subscriber. Pure.

See max_outstanding_messages and max_outstanding_bytes of StreamingPullRequest in pubsub.proto.
"""

from collections.abc import Callable
from math import inf
from typing import Final

from localpubsub.backlog.backlog import Backlog
from localpubsub.backlog.lease import Lease

#: Maximum number of messages in one response. Clients process each response as a whole, so it should be
#: small.
MAX_RESPONSE_MESSAGES: Final = 500


class FlowControl:
    """The messages that are outstanding on one stream, or of one pull, which has no limits.

    A message is counted from its lease on, before its record is read, because its lease may end during the
    read. Values of 0 or less mean "no limit", as in the proto.
    """

    def __init__(
        self, max_messages: int = 0, max_bytes: int = 0, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.takes_further = True  #: See LeaseHolder; False after the end of the stream or pull.
        self._max_messages = max_messages if max_messages > 0 else inf
        self._max_bytes = max_bytes if max_bytes > 0 else inf
        self._on_change = on_change
        self._sizes: dict[Lease, int] = {}
        self._bytes = 0

    def add(self, lease: Lease) -> None:
        """Count a message that was just leased; its size is not known yet."""
        self._sizes[lease] = 0

    def set_size(self, lease: Lease, size: int) -> None:
        """Count the size of a message, in bytes, if its lease has not ended."""
        if lease in self._sizes:
            self._bytes += size - self._sizes[lease]
            self._sizes[lease] = size

    def lease_ended(self, lease: Lease) -> None:
        """Stop counting the message of an ended lease."""
        self._bytes -= self._sizes.pop(lease, 0)
        self._on_change()

    def close(self, backlog: Backlog) -> None:
        """Take no further messages from the backlog; the leases do not end."""
        self.takes_further = False
        backlog.close_holder(self)

    def unconfirmed(self) -> list[Lease]:
        """Return the leases that were neither confirmed nor acknowledged, the last one first."""
        return [lease for lease in reversed(self._sizes) if not lease.received and not lease.acknowledged]

    def allowed(self, max_bytes: int) -> tuple[int, int]:
        """Return the number of messages and of bytes, at most ``max_bytes``, that may be sent now.

        A message that is larger than the remaining bytes may be sent if no other message is outstanding.
        """
        messages = min(self._max_messages - len(self._sizes), MAX_RESPONSE_MESSAGES)
        size = self._max_bytes - self._bytes
        if messages <= 0 or (size <= 0 and self._sizes):
            return 0, 0
        return int(messages), int(min(size, max_bytes))
