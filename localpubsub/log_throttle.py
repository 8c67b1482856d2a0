"""Limits the rate of a log line whose cause may occur thousands of times a second."""

import logging
import time
from typing import Final

LOG_INTERVAL: Final = 10.0  #: Default minimum of seconds between two lines of one throttle.


class LogThrottle:
    """Logs one error line per interval, with the count of the lines suppressed before it."""

    def __init__(self, log: logging.Logger, interval: float = LOG_INTERVAL) -> None:
        self._log = log
        self._interval = interval
        self._next_at = 0.0
        self._suppressed = 0

    def error(self, message: str, reason: object, *, traceback: bool = False) -> None:
        """Log ``message`` and ``reason``; if the last line is less than an interval old, only count them.

        Args:
            message: what failed.
            reason: why.
            traceback: also log the exception that is being handled, with its traceback.
        """
        now = time.monotonic()
        if now < self._next_at:
            self._suppressed += 1
            return
        self._next_at = now + self._interval
        self._log.error(
            "%s: %s (%s similar lines suppressed)", message, reason, self._suppressed, exc_info=traceback
        )
        self._suppressed = 0
