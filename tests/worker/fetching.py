"""Fetchers as the worker wires them, but for what a test opens, resolves or lets pass as time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer, Resolve, resolve
from tests.servers.certificates import CertificateAuthority
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.rate_limiter import RateLimiter

ANYHOW = Politeness(respect_robots=False)
POLITE = Politeness()
MAX_BYTES = 100_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that goes only when somebody sleeps, or is told to.

    Attributes:
        seconds: since it was made.
        slept: every pause.
    """

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return its time."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(round(seconds, 3))
        self.seconds += seconds

    def now(self) -> datetime:
        """Return the time of day: it starts at noon."""
        return NOON + timedelta(seconds=self.seconds)


def a_fetcher(
    *,
    opened: str = "127.0.0.0/8",
    resolve: Resolve = resolve,
    max_bytes: int = MAX_BYTES,
    max_redirects: int = 5,
    user_agent: str = "scrapeq/test",
    clock: Clock | None = None,
    web: Callable[[Dialer], HttpClient] | None = None,
) -> Fetcher:
    """Return a fetcher; by default it may ask this machine."""
    dial = Dialer(parse_networks(opened), resolve)
    asking = web(dial) if web else HttpClient(user_agent, dial)
    time = clock or Clock()
    courtesy = RateLimiter(asking, user_agent, clock=time, now=time.now, sleep=time.sleep)
    return Fetcher(asking, courtesy, max_bytes=max_bytes, max_redirects=max_redirects)


def a_trusting_fetcher(authority: CertificateAuthority) -> Fetcher:
    """Return a fetcher that trusts the authority, and finds every name on this machine."""

    def web(dial: Dialer) -> HttpClient:
        return HttpClient("scrapeq/test", dial, tls_context=authority.client)

    return a_fetcher(web=web, resolve=lambda _: ["127.0.0.1"])


def ended(
    fetcher: Fetcher, url: str, *, politeness: Politeness = ANYHOW, budget: PageBudget | None = None
) -> AttemptFailed:
    """Return how a fetch that gives no page ends."""
    with pytest.raises(AttemptFailed) as ended:
        fetcher.fetch(url, politeness, budget or PageBudget(10))
    return ended.value
