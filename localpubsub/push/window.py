"""Limits how many pushes of one subscription may be open at the same time.

https://cloud.google.com/pubsub/docs/push#push_window: the window starts small, grows exponentially while
deliveries succeed and shrinks when they fail. Here each ack adds one to its size, and each nack subtracts
one. So the window has doubled when as many pushes as it allows have been acknowledged. It quickly shrinks to
its minimum if all deliveries fail, and still grows if most of them succeed.
"""

from typing import Final

#: The size of a new window, unless its maximum is smaller. Nacks never shrink a window below this size.
MIN_SIZE: Final = 5


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
        """Grow by one, up to the maximum, if at least half of the window was in use.

        Args:
            outstanding: how many pushes were open when the response arrived, including this one.
        """
        if outstanding * 2 >= self.size < self._maximum:
            self.size += 1

    def record_nack(self) -> None:
        """Shrink by one, but not below ``MIN_SIZE``."""
        if self.size > MIN_SIZE:
            self.size -= 1
