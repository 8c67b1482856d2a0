"""Creates fetchers as the worker does, but with networks, resolver and clock chosen by the test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer, HostLookup
from guarded_http.resolver import make_resolver
from worker.budget import NoActivity, PageBudget
from worker.fetch import Fetcher
from worker.page import FetchedPage
from worker.rate_limiter import RateLimiter

IGNORE_ROBOTS = Politeness(respect_robots=False)
RESPECT_ROBOTS = Politeness()
MAX_BYTES = 100_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class FakeClock:
    """A monotonic clock that advances only by `sleep`, or when a test sets `seconds`.

    Attributes:
        seconds: the clock's time.
        slept: every pause in seconds, in order.
    """

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the clock's time."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.slept.append(round(seconds, 3))
        self.seconds += seconds

    def now(self) -> datetime:
        """Return the time of day, which starts at noon."""
        return NOON + timedelta(seconds=self.seconds)


class RecordedActivity(NoActivity):
    """An activity that records when it begins and ends, by a fake clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.events = list[tuple[str, float]]()
        self._clock = clock

    def begin(self, budget: PageBudget) -> None:
        """Record the beginning."""
        del budget
        self.events.append(("begin", self._clock()))

    def pause(self) -> None:
        """Record a pause."""
        self.events.append(("pause", self._clock()))

    def end(self) -> None:
        """Record the end."""
        self.events.append(("end", self._clock()))


def make_fetcher(
    *,
    allow_networks: str = "127.0.0.0/8",
    resolver: HostLookup | None = None,
    max_bytes: int = MAX_BYTES,
    max_redirects: int = 5,
    user_agent: str = "scrapeq/test",
    clock: FakeClock | None = None,
    make_client: Callable[[str, Dialer], HttpClient] = HttpClient,
) -> Fetcher:
    """Return a fetcher; by default it may contact the loopback network."""
    client = make_client(user_agent, Dialer(parse_networks(allow_networks), resolver or make_resolver()))
    time = clock or FakeClock()
    rate_limiter = RateLimiter(client, user_agent, clock=time, now=time.now, sleep=time.sleep)
    return Fetcher(client, rate_limiter, max_bytes=max_bytes, max_redirects=max_redirects)


def fetch(
    fetcher: Fetcher,
    url: str,
    *,
    politeness: Politeness = IGNORE_ROBOTS,
    seconds: float = 60,
    budget: PageBudget | None = None,
) -> FetchedPage:
    """Return the page at `url`; the default budget, of `seconds`, only guards against hanging."""
    return fetcher.fetch(url, politeness, budget or PageBudget(seconds))


def fetch_failure(
    fetcher: Fetcher,
    url: str,
    *,
    politeness: Politeness = IGNORE_ROBOTS,
    budget: PageBudget | None = None,
) -> AttemptFailed:
    """Return the error of a fetch that must fail; the default budget only guards against hanging."""
    with pytest.raises(AttemptFailed) as failure:
        fetcher.fetch(url, politeness, budget or PageBudget(60))
    return failure.value
