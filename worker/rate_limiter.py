"""What comes before each request to a site, redirects too: Retry-After, robots.txt, the host's delay."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import urlsplit

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from guarded_http.client import HttpClient
from worker.budget import Budget
from worker.host_slots import Hosts, retry_after_seconds
from worker.robots import RobotRules, product_token
from worker.robots_cache import RobotsCache

MAX_WAIT_FRACTION = (
    0.75  #: part of the budget that may be spent waiting for the host's turn; the rest is for the page
)


class RateLimiter:
    """Decides whether and when a page may be asked for; one for all jobs of a process.

    Args:
        web: asks for robots.txt.
        user_agent: the name in it is the one that robots.txt may call us by.
        hosts: when each may be asked; None for calendars of this process alone.
        clock: monotonic seconds.
        now: the time, with a time zone.
        sleep: waits for so many seconds.
    """

    def __init__(  # noqa: PLR0913 - the last three are one: the time
        self,
        web: HttpClient,
        user_agent: str,
        *,
        hosts: Hosts | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hosts = hosts or Hosts(lock=Lock())
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._robots = RobotsCache(web, product_token(user_agent), hold=self.heed, clock=clock)

    def admit(self, url: str, politeness: Politeness, budget: Budget) -> None:
        """Return when `url` may be asked for, which may be a while later.

        Raises:
            AttemptFailed: `robots_disallowed`, `robots_unavailable`, `rate_limited`, or an error of the host.
        """
        host = urlsplit(url).netloc
        self._check_hold(host)
        delay = politeness.delay_seconds
        if politeness.respect_robots:
            rules = self._rules(url, budget)
            if why := rules.why_disallowed(url):
                raise AttemptFailed(
                    Reason.ROBOTS_DISALLOWED, f"{host}'s robots.txt says {why}", final_url=url
                )
            delay = max(delay, rules.crawl_delay)
        self._await_turn(host, delay, budget)

    def _rules(self, url: str, budget: Budget) -> RobotRules:
        try:
            return self._robots.rules(url, budget)
        except AttemptFailed as ended:
            ended.retry_after = self._hosts.held(urlsplit(url).netloc, self._clock()) or None
            raise

    def heed(self, url: str, retry_after: str) -> float | None:
        """Leave the host of `url` alone for as long as its Retry-After says; return the seconds."""
        seconds = retry_after_seconds(retry_after, self._now()) if retry_after else None
        if seconds:
            self._hosts.hold(urlsplit(url).netloc, seconds, self._clock())
        return seconds

    def _check_hold(self, host: str) -> None:
        held = self._hosts.held(host, self._clock())
        if held:
            detail = f"{host} asked to be left alone for {held:.0f} s more (Retry-After)"
            raise AttemptFailed(Reason.RATE_LIMITED, detail, retry_after=held)

    def _await_turn(self, host: str, delay: float, budget: Budget) -> None:
        patience = budget.left() * MAX_WAIT_FRACTION
        wait = self._hosts.reserve(host, delay, self._clock(), patience)
        if wait > patience:
            detail = f"the next turn of {host} is in {wait:.1f} s, one every {delay:g} s"
            raise AttemptFailed(Reason.RATE_LIMITED, f"{detail}; a page may wait {patience:.1f} s")
        if wait:
            self._sleep(wait)
            self._check_hold(host)
