"""Each site's robots.txt, fetched once for all the jobs that wait for it, and kept for at most a day."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Event, Lock
from urllib.parse import urljoin

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.urls import check_url
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError
from guarded_http.response import Answer
from worker.budget import Budget
from worker.robots import MAX_ROBOTS_BYTES, RobotRules

ACCEPT = "text/plain, */*;q=0.5"
KEPT_SECONDS = 24 * 3600.0  #: RFC 9309 section 2.4
FAILURE_KEPT_SECONDS = 30.0  #: so that waiting jobs do not all ask a site that has just failed
MAX_REDIRECTS = 5  #: RFC 9309 section 2.3.1.2
MOST_SITES = 2_000
MOST_BYTES = 16 * 1024 * 1024  #: of all rules that are kept, as text
# What is wrong with the page's own host is told as that: the page would end the same way.
_OF_THE_HOST = frozenset({Reason.REFUSED_ADDRESS, Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.BAD_URL})


class _Entry:
    """One site's robots.txt: awaited, then rules or an ending; neither where whoever fetched it gave up."""

    def __init__(self) -> None:
        self.settled = Event()
        self.until = float("inf")
        self.rules: RobotRules | None = None
        self.ending: AttemptFailed | None = None


class RobotsCache:
    """Knows what sites' robots.txt say.

    Args:
        web: asks for them.
        token: our product token.
        hold: told of a site's Retry-After, in its own words.
        clock: monotonic seconds.
        most: sites that are remembered; the longest not asked are forgotten first.
    """

    def __init__(
        self,
        web: HttpClient,
        token: str,
        *,
        hold: Callable[[str, str], object],
        clock: Callable[[], float],
        most: int = MOST_SITES,
    ) -> None:
        self._web = web
        self._token = token
        self._hold = hold
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def rules(self, url: str, budget: Budget) -> RobotRules:
        """Return what the site of `url` says to us.

        Raises:
            AttemptFailed: where its robots.txt cannot be read now.
        """
        site = urljoin(url, "/robots.txt")
        while True:
            entry, is_mine = self._entry(site)
            if is_mine:
                self._settle(site, entry, budget)
            elif not entry.settled.wait(budget.left()):
                continue
            if entry.ending is not None:
                raise AttemptFailed(
                    entry.ending.reason, entry.ending.detail, http_status=entry.ending.http_status
                )
            if entry.rules is not None:
                return entry.rules

    def _entry(self, site: str) -> tuple[_Entry, bool]:
        """Return the site's entry, and whether it is the caller's to settle."""
        with self._lock:
            entry = self._entries.get(site)
            if entry is not None and self._clock() < entry.until:
                self._entries.move_to_end(site)
                return entry, False
            entry = self._entries[site] = _Entry()
            self._entries.move_to_end(site)
            return entry, True

    def _settle(self, site: str, entry: _Entry, budget: Budget) -> None:
        try:
            entry.rules, entry.ending = self._ask(site, budget)
            kept = FAILURE_KEPT_SECONDS if entry.ending else KEPT_SECONDS
            entry.until = self._clock() + kept
        except BaseException:  # the budget's end among them: somebody else's budget may still do
            with self._lock:
                if self._entries.get(site) is entry:
                    del self._entries[site]
            raise
        finally:
            entry.settled.set()
        self._evict()

    def _evict(self) -> None:
        with self._lock:
            size = sum(entry.rules.size for entry in self._entries.values() if entry.rules)
            while len(self._entries) > 1 and (len(self._entries) > self._most or size > MOST_BYTES):
                _, oldest = self._entries.popitem(last=False)
                size -= oldest.rules.size if oldest.rules else 0

    def _ask(self, site: str, budget: Budget) -> tuple[RobotRules | None, AttemptFailed | None]:
        url = site
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self._web.get(url, budget, accept=ACCEPT) as answer:
                    if not answer.location:
                        return self._read(url, answer)
                    url = check_url(urljoin(url, answer.location))
        except FetchError as wrong:
            if wrong.reason in _OF_THE_HOST and url == site:
                return None, AttemptFailed(wrong.reason, wrong.detail)
            return None, _unavailable(f"{url}: {wrong.reason}, {wrong.detail}")
        except ValueError as wrong:
            return None, _unavailable(f"{url} redirects to what is no URL: {wrong}")
        return RobotRules(), None  # more redirects are as good as none: RFC 9309 section 2.3.1.2

    def _read(self, url: str, answer: Answer) -> tuple[RobotRules | None, AttemptFailed | None]:
        if answer.status == 429 or answer.status >= 500:
            self._hold(url, answer.field("Retry-After"))
            return None, _unavailable(f"{url} answered {answer.status}", answer.status)
        if not 200 <= answer.status < 300:
            return RobotRules(), None  # there is none: RFC 9309 section 2.3.1.3
        return RobotRules(answer.body(MAX_ROBOTS_BYTES, cut=True), self._token), None


def _unavailable(detail: str, http_status: int = 0) -> AttemptFailed:
    return AttemptFailed(Reason.ROBOTS_UNAVAILABLE, detail, http_status=http_status)
