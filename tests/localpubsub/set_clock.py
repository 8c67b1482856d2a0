"""Provides a Clock whose wall clock and monotonic clock a test sets."""

from localpubsub.clock import Clock

START = 1_800_000_000.0  #: The time that the clocks begin with, seconds since the epoch.


class SetClock(Clock):
    """A Clock that reads two clocks which only a test moves.

    Attributes:
        wall: the time of the wall clock, seconds since the epoch.
        monotonic: the time of the monotonic clock, seconds.
    """

    def __init__(self, scale: float = 1.0, wall: float = START) -> None:
        self.wall = wall
        self.monotonic = 1000.0
        super().__init__(scale, lambda: self.wall, lambda: self.monotonic)

    def pass_by(self, seconds: float) -> None:
        """Let time pass for both clocks."""
        self.wall += seconds
        self.monotonic += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: only the wall clock continues. It wakes up for 0.2 s."""
        self.wall += seconds
        self.pass_by(0.2)

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back."""
        self.wall -= seconds
        self.pass_by(0.2)
