"""Limits how many pushes of one subscription may be open at the same time.

https://cloud.google.com/pubsub/docs/push#push_backoff, section "Delivery rate": the window starts with a
single-digit size, increases on any successful delivery and decreases on any failure. Acks increase it
exponentially up to 3,000 outstanding messages, and linearly from there on. "If the average latency exceeds
one second or the subscriber acknowledges less than 99% of requests, the window decreases to the lower limit
of 3,000 outstanding messages."

So the latency of pushes limits only a window above 3,000: a subscription whose pushes are acknowledged after
a minute has up to 3,000 of them open. And a window that has reached 3,000 never becomes smaller than that
again, however many pushes fail. A window that has not reached it yet shrinks on nacks, down to the size with
which it started.

The documentation gives no rates. Here each ack adds one to a size below 3,000, so the window has doubled when
as many pushes as it allows have been acknowledged. Above 3,000, as many acks as the window's size add one.
Each nack subtracts one.
"""

from typing import Final

START_SIZE: Final = 5  #: The size of a new window, unless its maximum is smaller.
#: The size from which on the window grows linearly, and to which slow or failing pushes reduce a larger one.
LOWER_LIMIT: Final = 3000
MAX_AVERAGE_SECONDS: Final = 1.0  #: The average latency above which the window does not exceed LOWER_LIMIT.
MIN_ACK_SHARE: Final = 0.99  #: The share of acks below which the window does not exceed LOWER_LIMIT.
#: Over how many responses, approximately, the average latency and the share of acks are computed.
RECENT_RESPONSES: Final = 1000


class PushWindow:
    """The push window of one subscription.

    Args:
        maximum: maximum size; at least 1.
        floor: nacks do not shrink a window below this size once it has reached it. A floor above ``maximum``
            means ``maximum``. The floor of Pub/Sub is ``LOWER_LIMIT``.

    Attributes:
        size: how many pushes may be open at the same time.
    """

    __slots__ = ("_ack_share", "_acks", "_average_seconds", "_floor", "_maximum", "_minimum", "size")

    def __init__(self, maximum: int, floor: int = LOWER_LIMIT) -> None:
        self._maximum = maximum
        self._floor = min(floor, maximum)
        self.size = min(START_SIZE, maximum)
        self._minimum = min(self.size, self._floor)
        self._acks = 0  # acks since the last linear growth
        self._ack_share = 1.0
        self._average_seconds = 0.0

    def record_ack(self, outstanding: int, seconds: float) -> None:
        """Grow, up to the maximum, if at least half of the window was in use.

        Args:
            outstanding: how many pushes were open when the response arrived, including this one.
            seconds: time from the start of the delivery to its response.
        """
        self._record(1.0, seconds)
        if outstanding * 2 < self.size or self.size >= self._maximum:
            return
        self._acks += 1
        if self.size >= LOWER_LIMIT and (self._acks < self.size or self._is_slow_or_failing()):
            return
        self._acks = 0
        self.size += 1
        if self.size >= self._floor:
            self._minimum = self._floor

    def record_nack(self, seconds: float) -> None:
        """Shrink by one, but not below the start size, nor below the floor after the window has reached it.

        Args:
            seconds: time from the start of the delivery to its response, or to its failure without one.
        """
        self._record(0.0, seconds)
        self.size = max(self._minimum, self.size - 1)

    def _record(self, ack: float, seconds: float) -> None:
        self._ack_share += (ack - self._ack_share) / RECENT_RESPONSES
        self._average_seconds += (seconds - self._average_seconds) / RECENT_RESPONSES
        if self.size > LOWER_LIMIT and self._is_slow_or_failing():
            self.size = max(LOWER_LIMIT, self._minimum)

    def _is_slow_or_failing(self) -> bool:
        return self._average_seconds > MAX_AVERAGE_SECONDS or self._ack_share < MIN_ACK_SHARE
