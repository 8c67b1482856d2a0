"""A log line that would else come a thousand times a second."""

import logging
import time
from typing import Final

WHILE: Final = 10.0  #: seconds in which the same complaint is made once


class LogThrottle:
    """Logs an error at most once per while, and then says how often it happened in between."""

    def __init__(self, log: logging.Logger, seconds: float = WHILE) -> None:
        self._log = log
        self._seconds = seconds
        self._silent_until = 0.0
        self._unsaid = 0

    def error(self, what: str, reason: object) -> None:
        """``what`` went wrong, for ``reason``."""
        now = time.monotonic()
        if now < self._silent_until:
            self._unsaid += 1
            return
        self._silent_until = now + self._seconds
        self._log.error("%s: %s (and %s times before, not logged)", what, reason, self._unsaid)
        self._unsaid = 0
