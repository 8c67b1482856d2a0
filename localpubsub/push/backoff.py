"""The pause of a whole push subscription whose endpoint answers badly.

https://cloud.google.com/pubsub/docs/push#push_backoff: a subscriber that sends too many negative
acknowledgements has all deliveries of that subscription slowed, exponentially from 100 ms to 60 s. Pub/Sub
does not say how many are too many. Here a nack counts while recent nacks outnumber recent acks: an endpoint
that only ever refuses is slowed from its first nack (five attempts then take 1.5 s; 2.3 s were measured on
the real service), and a few nacks among many acks pause nothing.
"""

from typing import Final

MIN_PAUSE: Final = 0.1  #: seconds
MAX_PAUSE: Final = 60.0  #: seconds
MEMORY: Final = 64  #: answers that count as recent: beyond them, both tallies are halved


class PushBackoff:
    """Told of every answer of one subscription; says until when its deliveries rest."""

    __slots__ = ("_acks", "_began", "_level", "_nacks", "resume_at")

    def __init__(self) -> None:
        self._acks = 0
        self._nacks = 0
        self._level = 0
        self._began = float("-inf")
        self.resume_at = 0.0  #: seconds since the epoch; in the past when nothing rests

    def acknowledged(self) -> None:
        """An ack ends a pause step by step, and at once where acks prevail again."""
        self._acks += 1
        self._forget()
        if self._level:
            self._level = 0 if self._acks >= self._nacks else self._level - 1

    def refused(self, delivered_at: float, now: float) -> None:
        """A nack (or expiry) of a delivery that began at ``delivered_at`` begins or doubles the pause.

        Answers to deliveries that were under way before the last pause began belong to the burst which caused
        it: a thousand of them are one reason to pause, not a thousand.
        """
        self._nacks += 1
        self._forget()
        if delivered_at < self._began or self._nacks <= self._acks:
            return
        self._began = now
        self.resume_at = now + min(MAX_PAUSE, MIN_PAUSE * 2.0**self._level)
        self._level = min(self._level + 1, 10)

    def rest_until(self, when: float) -> None:
        """Rest for a reason that the endpoint has no part in."""
        self.resume_at = max(self.resume_at, when)

    def _forget(self) -> None:
        if self._acks + self._nacks > MEMORY:
            self._acks >>= 1
            self._nacks >>= 1
