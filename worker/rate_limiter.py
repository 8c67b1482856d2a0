"""Checks each request to a site before it is sent, including each redirect.

A request waits for the host's delay, and is refused if Retry-After blocks the host or robots.txt disallows
the URL. The time at which a host may be requested next is called its slot.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from urllib.parse import urlsplit

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from guarded_http.client import HttpClient
from worker.budget import PageBudget
from worker.host_slots import HostSlots, parse_retry_after
from worker.robots import RobotRules, product_token
from worker.robots_cache import RobotsCache

#: The part of the remaining page budget that may be spent on waiting for the host's next slot. The rest is
#: for the page.
MAX_WAIT_FRACTION = 0.75


class RateLimiter:
    """Limits the rate of requests to each host. All jobs of a process share one instance.

    Args:
        client: requests robots.txt.
        user_agent: the User-Agent header; its product token selects the rules in robots.txt.
        slots: the hosts' slots, possibly shared with other processes; None for slots of this process only.
        clock: returns monotonic seconds.
        now: returns the time, with a time zone.
        sleep: waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 - the last three arguments let tests control the time
        self,
        client: HttpClient,
        user_agent: str,
        *,
        slots: HostSlots | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = slots or HostSlots(lock=Lock())
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._token = product_token(user_agent)
        self._robots = RobotsCache(client, self._token, note_retry_after=self.note_retry_after, clock=clock)

    def acquire(self, url: str, politeness: Politeness, budget: PageBudget) -> None:
        """Wait for the host's next slot, and return when `url` may be requested.

        Raises:
            AttemptFailed: `robots_disallowed`, `robots_unavailable`, `rate_limited`, `page_budget_exceeded`,
                or the reason why the site's host cannot be contacted to get robots.txt.
        """
        host = urlsplit(url).netloc
        self._check_blocked(host)
        delay = politeness.delay_seconds
        if politeness.respect_robots:
            rules = self._rules(url, budget)
            if not rules.is_allowed(url):
                raise AttemptFailed(Reason.ROBOTS_DISALLOWED, self._disallowed(url), final_url=url)
            delay = max(delay, rules.crawl_delay)
        self._wait_for_slot(host, delay, budget)

    def note_retry_after(self, url: str, retry_after: str) -> float | None:
        """Block the host of `url` for the time in a Retry-After header.

        Args:
            url: the URL whose response had the header.
            retry_after: the header; `""` if missing.

        Returns:
            The seconds in the header, or None if the header is missing or invalid.
        """
        seconds = parse_retry_after(retry_after, self._now()) if retry_after else None
        if seconds:
            self._slots.block(urlsplit(url).netloc, seconds, self._clock())
        return seconds

    def _rules(self, url: str, budget: PageBudget) -> RobotRules:
        try:
            return self._robots.rules(url, budget)
        except AttemptFailed as error:
            error.retry_after = self._slots.blocked_seconds(urlsplit(url).netloc, self._clock()) or None
            raise

    def _disallowed(self, url: str) -> str:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return f"{parts.netloc}/robots.txt disallows {path} for {self._token or '*'}"

    def _check_blocked(self, host: str) -> None:
        seconds = self._slots.blocked_seconds(host, self._clock())
        if seconds:
            detail = f"{host} must not be requested for another {seconds:.0f} s (Retry-After)"
            raise AttemptFailed(Reason.RATE_LIMITED, detail, retry_after=seconds)

    def _wait_for_slot(self, host: str, delay: float, budget: PageBudget) -> None:
        max_wait = budget.remaining() * MAX_WAIT_FRACTION
        wait = self._slots.take(host, delay, self._clock(), max_wait)
        if wait > max_wait:
            detail = f"{host} can next be requested in {wait:.1f} s (one request every {delay:g} s)"
            raise AttemptFailed(Reason.RATE_LIMITED, f"{detail}; the page can wait {max_wait:.1f} s at most")
        if wait:
            self._sleep(wait)
            self._check_blocked(host)
