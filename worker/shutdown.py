"""The end of a process, told by SIGTERM: no new work, and what cannot finish in time is given back.

Cloud Run kills 10 s after SIGTERM (https://cloud.google.com/run/docs/container-contract#instance-shutdown).
A job cut off by that leaves no outcome and waits for its ack deadline; one given back is redelivered at
once, with a reason.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import gevent

from contract.attempt import AttemptFailed
from contract.outcome import Reason

#: seconds after SIGTERM; the rest of gunicorn's graceful_timeout is for the last outcomes
GIVE_BACK_SECONDS = 5


class Shutdown:
    """Knows the attempts under way in this process, and ends them when their time is over."""

    def __init__(self, give_back_seconds: float = GIVE_BACK_SECONDS) -> None:
        self.begun = False
        self._give_back_seconds = give_back_seconds
        self._attempts: set[gevent.Greenlet] = set()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count the running attempt in.

        Raises:
            AttemptFailed: `shutdown`; at once where the process is ending, and later within the context where
                the attempt is given back.
        """
        if self.begun:
            raise AttemptFailed(Reason.SHUTDOWN, "the worker is shutting down; the page was not asked for")
        greenlet = gevent.getcurrent()
        self._attempts.add(greenlet)
        try:
            yield
        finally:
            self._attempts.discard(greenlet)

    def begin(self) -> None:
        """Take no further attempts; end those that are still under way in a few seconds."""
        if not self.begun:
            self.begun = True
            gevent.spawn_later(self._give_back_seconds, self._give_back)

    def on_sigterm(self) -> None:
        """Begin at SIGTERM, before whatever else is done at it."""
        before = signal.getsignal(signal.SIGTERM)

        def begin(signum: int, frame: FrameType | None) -> None:
            self.begin()
            if callable(before):
                before(signum, frame)

        signal.signal(signal.SIGTERM, begin)

    def _give_back(self) -> None:
        for greenlet in list(self._attempts):
            ended = AttemptFailed(Reason.SHUTDOWN, "the worker is shutting down; the job was given back")
            gevent.kill(greenlet, ended)
