"""Fetches each site's robots.txt once for all jobs that wait for it, and caches it for at most a day."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Event, Lock
from typing import NamedTuple

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.urls import origin_of
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import follow_redirects
from guarded_http.request import PLAIN_GET, HttpRequest, Proxy
from guarded_http.response import HttpResponse
from guarded_http.robots import MAX_ROBOTS_BYTES, RobotRules, product_token
from guarded_http.scope import NetworkScope
from worker.budget import PageBudget
from worker.fetch_errors import attempt_failed
from worker.permit import ALWAYS_PERMITTED, Permit

ACCEPT = "text/plain, */*;q=0.5"
CACHE_SECONDS = 24 * 3600.0  #: seconds for which rules are cached (RFC 9309 section 2.4)
#: Longest time in seconds for which a failure is cached, so that waiting jobs do not send the failed request
#: again.
FAILURE_CACHE_SECONDS = 30.0
MAX_REDIRECTS = 5  #: maximum number of redirects that are followed (RFC 9309 section 2.3.1.2)
MAX_SITES = 2_000  #: maximum number of cached sites
MAX_CACHE_BYTES = 16 * 1024 * 1024  #: maximum size of all cached rules, in bytes
# These errors of robots.txt concern the host, so the page would fail too: the attempt gets the same reason.
_HOST_ERRORS = frozenset(
    {FetchErrorKind.REFUSED_ADDRESS, FetchErrorKind.DNS, FetchErrorKind.CONNECT, FetchErrorKind.TLS}
)


class _File(NamedTuple):
    """What decides which robots.txt a site sends: its URL, and how it is requested."""

    url: str
    user_agent: str
    proxy: Proxy | None

    def request(self) -> HttpRequest:
        """Return the request, without its URL."""
        return HttpRequest(user_agent=self.user_agent, proxy=self.proxy)


class _Entry:
    """One site's robots.txt.

    The entry is pending until `ready` is set. Then `rules` or `error` is set. Both are None if the job that
    fetched the file was ended before it had the file; one of the waiting jobs then fetches it.
    """

    def __init__(self) -> None:
        self.ready = Event()
        self.expires_at = float("inf")
        self.rules: RobotRules | None = None
        self.error: AttemptFailed | None = None


class RobotsCache:
    """Fetches and caches the rules of sites' robots.txt.

    Args:
        client: sends the requests.
        token: the product token of this crawler, for requests that have no User-Agent of their own.
        note_retry_after: called with a URL, and the Retry-After and Date headers of its response.
        clock: returns monotonic seconds.
        max_sites: maximum number of cached sites; the least recently used site is evicted.
        failure_seconds: for how long a failure is cached. It should not exceed the shortest time between two
            attempts of a job. Otherwise one failed request would end several attempts of the same job, and
            could use up all of them although the site was down only for a moment.
    """

    def __init__(  # noqa: PLR0913 - the last two arguments have defaults
        self,
        client: HttpClient,
        token: str,
        *,
        note_retry_after: Callable[[str, str, str], object],
        clock: Callable[[], float],
        max_sites: int = MAX_SITES,
        failure_seconds: float = FAILURE_CACHE_SECONDS,
    ) -> None:
        self._client = client
        self._token = token
        self._note_retry_after = note_retry_after
        self._clock = clock
        self._max_sites = max_sites
        self._failure_seconds = failure_seconds
        self._entries: OrderedDict[_File, _Entry] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def rules(
        self,
        url: str,
        budget: PageBudget,
        request: HttpRequest = PLAIN_GET,
        *,
        public_only: bool = False,
        permit: Permit = ALWAYS_PERMITTED,
    ) -> RobotRules:
        """Return the rules that the site of `url` has for this crawler.

        Args:
            url: the URL of a page.
            budget: limits how long fetching robots.txt may take, and how long the job may wait for it.
            request: the request of the page, of which the User-Agent and the proxy are used.
            public_only: whether robots.txt may be requested at public addresses only.
            permit: the operator's permission, which each request needs.

        Raises:
            AttemptFailed: `cancelled`, `paused`, `robots_unavailable`, `page_budget_exceeded`, or the reason
                why the site's host cannot be contacted.
        """
        key = _File(f"{origin_of(url)}/robots.txt", request.user_agent, request.proxy)
        while True:
            # A paused job waits here, where the jobs of other runs do not wait for the file that it fetches.
            permit.wait(key.url, budget)
            entry, is_new = self._entry(key)
            if is_new:
                self._fill(key, entry, budget, permit, public_only=public_only)
            elif not entry.ready.is_set():
                self._wait_for(entry, budget)
            if entry.error is not None:
                error = entry.error
                raise AttemptFailed(error.reason, error.detail, http_status=error.http_status)
            if entry.rules is not None:
                return entry.rules

    def _wait_for(self, entry: _Entry, budget: PageBudget) -> None:
        """Wait for the job that fetches the file; if this job may wait, this costs no page time."""
        if seconds := budget.remaining_wait():
            with budget.waiting():
                entry.ready.wait(seconds)
        else:
            entry.ready.wait(budget.remaining())

    def _entry(self, key: _File) -> tuple[_Entry, bool]:
        """Return the site's entry, and whether it is new; the caller must fill a new entry."""
        with self._lock:
            entry = self._entries.get(key)
            is_new = entry is None or self._clock() >= entry.expires_at
            if entry is None or is_new:
                entry = self._entries[key] = _Entry()
            self._entries.move_to_end(key)
            return entry, is_new

    def _fill(
        self,
        key: _File,
        entry: _Entry,
        budget: PageBudget,
        permit: Permit,
        *,
        public_only: bool,
    ) -> None:
        try:
            scope = NetworkScope(public_only=public_only)
            entry.rules, entry.error = self._fetch(key, budget, scope, permit)
            seconds = self._failure_seconds if entry.error else CACHE_SECONDS
            entry.expires_at = self._clock() + seconds
        except BaseException:  # for example, this job's budget is spent; another job then fetches the file
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            raise
        finally:
            entry.ready.set()
        self._evict()

    def _evict(self) -> None:
        with self._lock:
            size = sum(entry.rules.size for entry in self._entries.values() if entry.rules)
            while len(self._entries) > 1 and (len(self._entries) > self._max_sites or size > MAX_CACHE_BYTES):
                _, oldest = self._entries.popitem(last=False)
                size -= oldest.rules.size if oldest.rules else 0

    def _fetch(
        self,
        file: _File,
        budget: PageBudget,
        scope: NetworkScope,
        permit: Permit,
    ) -> tuple[RobotRules | None, AttemptFailed | None]:
        try:
            with follow_redirects(
                self._client,
                file.url,
                budget,
                file.request(),
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                before_request=permit.check,
                scope=scope,
            ) as response:
                return self._read(response, budget)
        except FetchError as error:
            if error.kind is FetchErrorKind.TOO_MANY_REDIRECTS:
                return RobotRules(), None  # RFC 9309 section 2.3.1.2: treated as a missing file
            if error.kind in _HOST_ERRORS and error.url == file.url:
                failure = attempt_failed(error)
                if scope.public_only and error.kind is FetchErrorKind.REFUSED_ADDRESS:
                    raise failure from None  # not cached: a job whose own URL is there may request the file
                return None, failure
            return None, _unavailable(f"{error.url}: {error.kind}, {error.detail}")

    def _read(
        self, response: HttpResponse, budget: PageBudget
    ) -> tuple[RobotRules | None, AttemptFailed | None]:
        if response.status == 429 or response.status >= 500:
            self._note_retry_after(response.url, response.header("Retry-After"), response.header("Date"))
            return None, _unavailable(f"{response.url} answered {response.status}", response.status)
        if not 200 <= response.status < 300:
            return RobotRules(), None  # RFC 9309 section 2.3.1.3: a missing file allows everything
        body = response.read_body(MAX_ROBOTS_BYTES, truncate=True, before_large=budget.begin_large)
        user_agent = response.request.user_agent
        return RobotRules(body, product_token(user_agent) if user_agent else self._token), None


def _unavailable(detail: str, http_status: int = 0) -> AttemptFailed:
    return AttemptFailed(Reason.ROBOTS_UNAVAILABLE, detail, http_status=http_status)
