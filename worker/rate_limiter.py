"""Checks each request to a site before it is sent, including each redirect.

A request waits for the lookup of its host's name, until the end of a Retry-After, and for its host's next
slot, the time at which the host may be requested again. It is refused if robots.txt disallows the URL. While
a job waits, its push stays open: a held push costs no delivery attempt.
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
from guarded_http.dns_client import LOOKUP_SECONDS
from guarded_http.request import PLAIN_GET, HttpRequest
from guarded_http.robots import RobotRules, product_token
from worker.budget import PageBudget
from worker.host_slots import TOLERANCE_SECONDS, HostSlots, Lane, parse_retry_after
from worker.permit import ALWAYS_PERMITTED, Permit
from worker.robots_cache import FAILURE_CACHE_SECONDS, RobotsCache


class RateLimiter:
    """Limits the rate of requests to each host. All jobs of a process share one instance.

    Args:
        client: looks up the hosts, and requests robots.txt.
        user_agent: the User-Agent of requests that have no other; its product token selects the rules in
            robots.txt.
        slots: the hosts' slots, possibly shared with other processes; None for slots of this process only.
        clock: returns monotonic seconds.
        now: returns the time, with a time zone.
        sleep: waits for a number of seconds.
        failure_seconds: for how long a failure of robots.txt is cached; see `RobotsCache`.
    """

    def __init__(  # noqa: PLR0913 - the last four arguments let tests control the time
        self,
        client: HttpClient,
        user_agent: str,
        *,
        slots: HostSlots | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        failure_seconds: float = FAILURE_CACHE_SECONDS,
    ) -> None:
        self._slots = slots or HostSlots(lock=Lock())
        self._client = client
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._token = product_token(user_agent)
        self._robots = RobotsCache(
            client,
            self._token,
            note_retry_after=self.note_retry_after,
            clock=clock,
            failure_seconds=failure_seconds,
        )

    def acquire(  # noqa: PLR0913 - the last four arguments have defaults
        self,
        url: str,
        politeness: Politeness,
        budget: PageBudget,
        *,
        lane: Lane | None = None,
        request: HttpRequest = PLAIN_GET,
        public_only: bool = False,
        permit: Permit = ALWAYS_PERMITTED,
    ) -> None:
        """Wait for the host's next slot, and return when `url` may be requested.

        Args:
            url: the URL that is about to be requested.
            politeness: the crawl's delay, and whether robots.txt is respected.
            budget: limits how long the job may wait.
            lane: the lane of the job; None if it has none, or if the lane is one of another host.
            request: the request of the page, whose User-Agent and proxy are used for robots.txt.
            public_only: whether robots.txt may be requested at public addresses only.
            permit: the operator's permission to request `url`, and robots.txt before it.

        Raises:
            AttemptFailed: `cancelled`, `paused`, `robots_disallowed`, `robots_unavailable`, `rate_limited`,
                `queued_too_long`, `page_budget_exceeded`, or the reason why the site's host cannot be
                contacted to get robots.txt.
            FetchError: `dns`, if the host's name could not be resolved.
        """
        host = urlsplit(url).netloc
        self._wait_while_blocked(host, budget)
        self._wait_for_lookup(url, budget)
        delay = politeness.delay_seconds
        if politeness.respect_robots:
            rules = self._rules(url, budget, request, public_only=public_only, permit=permit)
            if not rules.is_allowed(url):
                token = product_token(request.user_agent) if request.user_agent else self._token
                raise AttemptFailed(Reason.ROBOTS_DISALLOWED, _disallowed(url, token), final_url=url)
            delay = max(delay, rules.crawl_delay)
        early = 0.0
        while True:
            permit.wait(url, budget)
            late = self._wait_for_slot(host, delay, budget, lane, early)
            # Retry-After is checked after everything that may have taken time.
            is_blocked = self._slots.blocked_seconds(host, self._clock()) > 0
            # If the slot has passed, further requests may follow at the same time.
            if late <= max(TOLERANCE_SECONDS, delay / 10) and not is_blocked and not permit.is_paused(url):
                return
            # No page slot was free at the host's slot, so the job asks for a page slot earlier next time.
            early = max(early, 2 * late)
            self._wait_while_blocked(host, budget)

    def note_retry_after(self, url: str, retry_after: str, date: str) -> float | None:
        """Block the host of `url` for the time in a Retry-After header.

        Args:
            url: the URL whose response had the header.
            retry_after: the header; `""` if missing.
            date: the Date header of the same response; `""` if missing.

        Returns:
            The seconds in the header, or None if the header is missing or invalid.
        """
        seconds = parse_retry_after(retry_after, date, self._now()) if retry_after else None
        if seconds:
            self._slots.block(urlsplit(url).netloc, seconds, self._clock())
        return seconds

    def blocked_seconds(self, url: str) -> float:
        """Return for how many more seconds the host of `url` must not be requested; 0 if it may be."""
        return self._slots.blocked_seconds(urlsplit(url).netloc, self._clock())

    def _rules(
        self, url: str, budget: PageBudget, request: HttpRequest, *, public_only: bool, permit: Permit
    ) -> RobotRules:
        try:
            return self._robots.rules(url, budget, request, public_only=public_only, permit=permit)
        except AttemptFailed as error:
            error.retry_after = self.blocked_seconds(url) or None
            raise

    def _wait_for_lookup(self, url: str, budget: PageBudget) -> None:
        """Wait for the lookup of the host's name, and give the page slot back for as long.

        So a name whose DNS servers are silent does not delay the pages of other hosts. If the job may not
        wait, the name is looked up when the request is sent.

        Raises:
            AttemptFailed: `queued_too_long`, if the lookup does not end in time because too many others are
                under way.
            FetchError: `dns`, if the name could not be resolved.
        """
        # In a crowded worker a job may have waited for longer than a hold already, but a lookup costs it only
        # seconds.
        max_wait = min(budget.remaining_wait(), max(budget.remaining_hold(), LOOKUP_SECONDS))
        if max_wait <= 0 or self._client.look_up(url, 0):
            return
        with budget.waiting():
            if not self._client.look_up(url, max_wait):
                host = urlsplit(url).hostname
                detail = f"the lookup of {host} did not end within {max_wait:.0f} s; too many are under way"
                raise AttemptFailed(Reason.QUEUED_TOO_LONG, detail, final_url=url)

    def _wait_while_blocked(self, host: str, budget: PageBudget) -> None:
        while seconds := self._slots.blocked_seconds(host, self._clock()):
            detail = f"{host} must not be requested for another {seconds:.0f} s (Retry-After)"
            self._wait(seconds, budget, detail, is_blocked=True)

    def _wait_for_slot(
        self, host: str, delay: float, budget: PageBudget, lane: Lane | None, early: float
    ) -> float:
        """Take the host's next slot, and wait for it.

        Args:
            host: the host to be requested.
            delay: seconds between two requests.
            budget: limits how long the job may wait.
            lane: the lane of the job, if it has one.
            early: the job gives its page slot back while it waits, up to this many seconds before the slot.

        Returns:
            For how many seconds the slot has passed.
        """
        now = self._clock()
        times = lane.times(host, delay, self._now().timestamp()) if lane is not None and delay else None
        max_wait = budget.remaining_hold()
        wait = self._slots.take(host, delay, now, max_wait, times)
        slot_at, is_taken = now + wait, wait <= max_wait
        if wait > early or not is_taken:
            detail = f"{host} can next be requested in {wait:.1f} s (one request every {delay:g} s)"
            self._wait(wait - early if is_taken else wait, budget, detail)
        if self._clock() < slot_at:
            with budget.waiting(keeps_activity=True):
                self._sleep(slot_at - self._clock())
        return self._clock() - slot_at

    def _wait(self, seconds: float, budget: PageBudget, detail: str, *, is_blocked: bool = False) -> None:
        """Wait for as long as the job may wait.

        Args:
            seconds: seconds to wait.
            budget: limits how long the job may wait.
            detail: a sentence for people, which says what the job waits for.
            is_blocked: whether the host is blocked by Retry-After.

        Raises:
            AttemptFailed: `rate_limited`, after that wait, if it was shorter than `seconds`. It has the rest
                of a Retry-After. It has no rest of a delay, since another job may take that slot: a lane
                that is held until its time would miss it each time.
        """
        max_wait = budget.remaining_hold()
        with budget.waiting():
            self._sleep(min(seconds, max_wait))
            if seconds > max_wait:
                is_crowded = budget.hold_seconds < budget.wait_seconds
                limit = "since the instance is crowded" if is_crowded else "WAIT_BUDGET_SECONDS"
                waited = f"{detail}; the job may wait {budget.hold_seconds:g} s ({limit})"
                rest = seconds - max_wait if is_blocked else None
                raise AttemptFailed(Reason.RATE_LIMITED, waited, retry_after=rest)


def _disallowed(url: str, token: str) -> str:
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"{parts.netloc}/robots.txt disallows {path} for {token or '*'}"
