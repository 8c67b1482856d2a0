"""Shuts a process down after SIGTERM: rejects new attempts, and ends those that do not finish in time.

Cloud Run kills a process 10 s after SIGTERM
(https://cloud.google.com/run/docs/container-contract#instance-shutdown). The job of a killed attempt has no
outcome, and is redelivered only after its ack deadline. The job of an attempt that is ended here has an
outcome, and is redelivered immediately.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import gevent

from contract.attempt import AttemptFailed
from contract.outcome import Reason

#: Seconds from SIGTERM until the running attempts are ended. Their outcomes are published in the rest of
#: gunicorn's graceful_timeout.
GRACE_SECONDS = 5


class Shutdown:
    """Ends the running attempts of this process some seconds after SIGTERM.

    Args:
        grace_seconds: seconds from SIGTERM until the running attempts are ended.

    Attributes:
        is_shutting_down: whether SIGTERM was received.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.is_shutting_down = False
        self._grace_seconds = grace_seconds
        self._attempts: set[gevent.Greenlet] = set()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Register the running attempt for as long as the context lasts.

        Raises:
            AttemptFailed: `shutdown`, immediately if SIGTERM was received before, or inside the context when
                the grace period is over.
        """
        if self.is_shutting_down:
            raise AttemptFailed(Reason.SHUTDOWN, "the worker is shutting down; the page was not requested")
        greenlet = gevent.getcurrent()
        self._attempts.add(greenlet)
        try:
            yield
        finally:
            self._attempts.discard(greenlet)

    def begin(self) -> None:
        """Reject new attempts, and end the running ones when the grace period is over."""
        if not self.is_shutting_down:
            self.is_shutting_down = True
            gevent.spawn_later(self._grace_seconds, self._end_attempts)

    def on_sigterm(self) -> None:
        """Install a handler for SIGTERM that begins the shutdown, and then calls the previous handler."""
        previous = signal.getsignal(signal.SIGTERM)

        def begin(signum: int, frame: FrameType | None) -> None:
            self.begin()
            if callable(previous):
                previous(signum, frame)

        signal.signal(signal.SIGTERM, begin)

    def _end_attempts(self) -> None:
        for greenlet in list(self._attempts):
            error = AttemptFailed(Reason.SHUTDOWN, "the worker is shutting down; the job will be redelivered")
            gevent.kill(greenlet, error)
