"""When each host may be asked next, as far as this process knows. Pure: it is told the time."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_HOSTS = 10_000  #: remembered; the longest not asked are forgotten first
LONGEST_HOLD_SECONDS = 24 * 3600.0  #: of a Retry-After, however long it is


@dataclass(slots=True)
class _Host:
    asked: float = float("-inf")  #: when the last request begins, which may be in the future
    held_until: float = float("-inf")


class Hosts:
    """The hosts' calendars. Times are seconds of one clock that only goes forward."""

    def __init__(self, most: int = MOST_HOSTS) -> None:
        self._most = most
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def hold(self, host: str, seconds: float, now: float) -> None:
        """Ask nothing of `host` for `seconds` (Retry-After, RFC 9110 section 10.2.3)."""
        known = self._known(host)
        known.held_until = max(known.held_until, now + min(seconds, LONGEST_HOLD_SECONDS))

    def held(self, host: str, now: float) -> float:
        """Return for how many seconds `host` must not be asked; 0 where it may."""
        known = self._hosts.get(host)
        return max(0.0, known.held_until - now) if known else 0.0

    def reserve(self, host: str, delay: float, now: float, patience: float) -> float:
        """Take the host's next turn, and return the seconds until then.

        Args:
            host: whose turn.
            delay: seconds that must lie between this request and the one before.
            now: the time.
            patience: seconds that may be waited; a turn that is further away is not taken.
        """
        known = self._known(host)
        wait = max(0.0, known.asked + delay - now)
        if wait <= patience:
            known.asked = max(now + wait, known.asked)
        return wait

    def _known(self, host: str) -> _Host:
        known = self._hosts.setdefault(host, _Host())
        self._hosts.move_to_end(host)
        while len(self._hosts) > self._most:
            self._hosts.popitem(last=False)
        return known


def retry_after_seconds(field: str, now: datetime) -> float | None:
    """Return what a Retry-After header asks for, in seconds from `now`; None where it is none.

    Both forms are read: seconds, and an HTTP date in any of its three spellings (RFC 9110 section 10.2.3).
    """
    field = field.strip()
    if field.isascii() and field.isdecimal():
        return float(field[:12])
    try:
        date = parsedate_to_datetime(field)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
