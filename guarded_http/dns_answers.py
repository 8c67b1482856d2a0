"""Represents the results of name lookups, and keeps them for as long as the DNS servers allow. Pure."""

from collections import OrderedDict
from typing import NamedTuple

#: Shortest and longest time for which addresses are kept, in seconds. A TTL of 0 would cause two lookups for
#: robots.txt and its page; a longest time lets a site that moves be found again although its TTL is a day.
MIN_TTL_SECONDS, MAX_TTL_SECONDS = 1.0, 300.0
#: Longest time for which the absence of a name or of its addresses is kept, in seconds. RFC 2308 section 5
#: allows the time in the SOA record, up to hours; but a job is tried again after seconds, and its new attempt
#: must show something new.
MAX_ABSENCE_SECONDS = 30.0
#: Seconds for which a failed lookup is kept (RFC 9520 section 3.2: at least 1 second, at most 5 minutes), so
#: that waiting jobs do not repeat it one after the other.
FAILURE_SECONDS = 10.0
MAX_NAMES = 10_000  #: maximum number of names whose answers are kept


class DnsAnswer(NamedTuple):
    """The result of one lookup.

    Attributes:
        addresses: the addresses of the host, in the order in which they are tried; empty if it failed.
        failure: a clause for people that says why there is no address; `""` if there are addresses.
        seconds: how long the answer may be kept.
    """

    addresses: tuple[str, ...]
    failure: str
    seconds: float


def found(addresses: tuple[str, ...], ttl: float) -> DnsAnswer:
    """Return the answer with addresses that a DNS server allows to keep for `ttl` seconds."""
    return DnsAnswer(addresses, "", min(max(ttl, MIN_TTL_SECONDS), MAX_TTL_SECONDS))


def absent(failure: str, ttl: float) -> DnsAnswer:
    """Return the answer for a name that does not exist or has no address, by its SOA record for `ttl` s."""
    return DnsAnswer((), failure, min(max(ttl, MIN_TTL_SECONDS), MAX_ABSENCE_SECONDS))


def failed(failure: str) -> DnsAnswer:
    """Return the answer of a lookup that did not show whether the host has addresses."""
    return DnsAnswer((), failure, FAILURE_SECONDS)


class AnswerCache:
    """Keeps answers until they expire, and at most a number of them.

    Args:
        max_names: maximum number of names; the least recently used name is dropped.
    """

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._max_names = max_names
        self._answers: OrderedDict[str, tuple[float, DnsAnswer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, name: str, now: float) -> DnsAnswer | None:
        """Return the answer for a name, or None if there is none that may still be used at `now`."""
        expires_at, answer = self._answers.get(name, (0.0, None))
        if answer is None:
            return None
        if now >= expires_at:
            del self._answers[name]
            return None
        self._answers.move_to_end(name)
        return answer

    def put(self, name: str, answer: DnsAnswer, now: float) -> None:
        """Keep an answer that was received at `now`."""
        self._answers[name] = now + answer.seconds, answer
        self._answers.move_to_end(name)
        if len(self._answers) > self._max_names:
            self._answers.popitem(last=False)
