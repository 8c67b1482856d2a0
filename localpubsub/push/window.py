"""Limits how many pushes of one subscription may be open at the same time.

https://cloud.google.com/pubsub/docs/push#push_window: the window starts small, grows exponentially while
deliveries succeed and shrinks when they fail. Adding one per ack doubles the window in each round trip;
subtracting one per nack shrinks the window to its minimum in one round trip if all deliveries fail, and still
lets it grow if most deliveries succeed.
"""

from typing import Final

MIN_SIZE: Final = 5  #: Concurrent pushes of a new subscription; the window never shrinks below this number.


class PushWindow:
    """The push window of one subscription.

    Attributes:
        size: how many pushes may be open at the same time.
    """

    __slots__ = ("_maximum", "size")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.size = min(MIN_SIZE, maximum)

    def record_ack(self, outstanding: int) -> None:
        """Grow by one if at least half of the window was in use, so that idle subscriptions keep theirs.

        Args:
            outstanding: how many pushes were open when the response arrived, including this one.
        """
        if outstanding * 2 >= self.size < self._maximum:
            self.size += 1

    def record_nack(self) -> None:
        """Shrink by one, but not below ``MIN_SIZE``."""
        if self.size > MIN_SIZE:
            self.size -= 1
