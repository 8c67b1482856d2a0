"""How many pushes of one subscription may be open at a time.

https://cloud.google.com/pubsub/docs/push#push_window: the window starts small, grows exponentially while
deliveries succeed and shrinks when they fail. One more for each ack doubles it each round trip; one less for
each refusal halves it as fast when everything fails, and lets it grow while most succeed.
"""

from typing import Final

START: Final = 5  #: concurrent pushes of a new subscription, and the floor it never falls below


class PushWindow:
    """Told of every answer; ``size`` is the number of pushes that may be open."""

    __slots__ = ("_maximum", "size")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.size = min(START, maximum)

    def acknowledged(self, outstanding: int) -> None:
        """Grow, if the window was in use: an idle subscription must not save up for a burst.

        ``outstanding`` counts the pushes open when the answer came, this one included.
        """
        if outstanding * 2 >= self.size < self._maximum:
            self.size += 1

    def refused(self) -> None:
        """Shrink, down to the floor."""
        if self.size > START:
            self.size -= 1
