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
from gevent.event import Event

from contract.attempt import AttemptFailed
from contract.outcome import Reason

#: Seconds from SIGTERM until the running attempts are ended. Their outcomes are published in the rest of
#: gunicorn's graceful_timeout.
GRACE_SECONDS = 5


class Shutdown:
    """Ends the running attempts of this process some seconds after SIGTERM.

    Args:
        grace_seconds: seconds from SIGTERM until the running attempts are ended.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._begun = Event()
        self._grace_seconds = grace_seconds
        self._attempts: set[gevent.Greenlet] = set()

    @property
    def is_shutting_down(self) -> bool:
        """Whether SIGTERM was received."""
        return bool(self._begun.is_set())

    @property
    def attempts(self) -> int:
        """Number of attempts that are running or waiting in this process."""
        return len(self._attempts)

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

    def hold(self, seconds: float) -> None:
        """Wait for `seconds`, or until SIGTERM is received."""
        self._begun.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`.

        Raises:
            AttemptFailed: `shutdown`, as soon as SIGTERM is received: an attempt that waits gives its job
                back at once, since the wait would not end in time.
        """
        if self._begun.wait(seconds):
            raise AttemptFailed(Reason.SHUTDOWN, "the worker is shutting down; the page was not requested")

    def begin(self) -> None:
        """Reject new attempts, and end the running ones when the grace period is over."""
        if not self.is_shutting_down:
            self._begun.set()
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
            gevent.get_hub().loop.run_callback(self._end_attempt, greenlet)

    def _end_attempt(self, greenlet: gevent.Greenlet) -> None:
        """Raise an error in a greenlet if its attempt is still running.

        This runs in gevent's loop, so that nothing else runs between the test and the error. An error from
        `gevent.kill` may come after the attempt, while its greenlet publishes the outcome or reads a request.
        """
        if greenlet in self._attempts:
            reason = "the worker is shutting down; the job will be redelivered"
            greenlet.throw(AttemptFailed(Reason.SHUTDOWN, reason))
