"""Says whether the messages that a relay has received still belong to it.

Redis keeps a message for the consumer that received it, also after its connection has ended. So each relay
has a consumer of its own, and tells Redis every few seconds that it is alive. Another relay takes the
messages of a consumer that Redis has not heard of for `LEASE_SECONDS`. The relay itself counts them as lost
some seconds earlier, so that two relays never deliver the same message at the same time.
"""

import time
import uuid

LEASE_SECONDS = 15.0  #: seconds without a command after which another relay takes a consumer's messages
HEARTBEAT_SECONDS = 3.0  #: seconds between two commands that say that the relay is alive
MARGIN_SECONDS = 3.0  #: seconds by which a relay counts its messages as lost before another one takes them
DELAYED = "delayed"  #: the consumer of all messages that wait for their next attempt


class Lease:
    """The consumer of a relay.

    Attributes:
        consumer: its name in Redis; another one after each loss.
    """

    def __init__(self) -> None:
        self.consumer = ""
        self._renewed_at = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin with a new consumer, which has no messages yet."""
        self.consumer = f"relay-{uuid.uuid4().hex[:12]}"
        self._renewed_at = time.monotonic()

    def renew(self, sent_at: float) -> None:
        """Note that Redis has answered a heartbeat.

        Args:
            sent_at: when the heartbeat was sent, monotonic seconds.
        """
        self._renewed_at = max(self._renewed_at, sent_at)

    def is_over(self) -> bool:
        """Return whether the messages may belong to another relay."""
        return time.monotonic() - self._renewed_at > LEASE_SECONDS - MARGIN_SECONDS

    def heartbeat_is_due(self) -> bool:
        """Return whether the last heartbeat is long ago."""
        return time.monotonic() - self._renewed_at >= HEARTBEAT_SECONDS
