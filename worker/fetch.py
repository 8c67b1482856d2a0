"""Fetches one page: follows the rate limit and robots.txt, and limits time, size and redirects."""

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from contract.quoting import shorten
from contract.request import PLAIN_GET, PageRequest
from extraction.errors import ExtractionError
from extraction.refresh import refresh_url
from guarded_http.client import HttpClient
from guarded_http.cookies import FetchCookies
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.media_type import media_type
from guarded_http.redirects import follow_redirects
from guarded_http.request import HttpRequest
from guarded_http.response import HttpResponse
from guarded_http.scope import NetworkScope
from worker.budget import PageBudget
from worker.fetch_errors import attempt_failed
from worker.host_slots import Lane
from worker.page import FetchedPage
from worker.permit import ALWAYS_PERMITTED, Permit
from worker.rate_limiter import RateLimiter
from worker.request_policy import PLAIN_REQUESTS, RequestPolicy

ACCEPT = "text/html, application/xhtml+xml, application/xml;q=0.9, application/json;q=0.9, text/*;q=0.8"
# HTML, XHTML, XML, JSON and text, by their media types (RFC 6838 section 4.2.8 for the suffixes).
_ACCEPTED_TYPE = re.compile(r"text/.*|application/(?:xml|json)|.*\+(?:xml|json)")
# The 2xx statuses with a whole page: 204 and 205 have no body, and 206 has only a part of the page.
_PAGE_STATUSES = frozenset({200, 201, 202, 203})

_REASONS = {
    403: Reason.HTTP_403,
    404: Reason.HTTP_404,
    408: Reason.HTTP_408,
    410: Reason.HTTP_410,
    425: Reason.HTTP_425,
    429: Reason.HTTP_429,
}
_REASONS_BY_CLASS = {4: Reason.HTTP_4XX, 5: Reason.HTTP_5XX}


def reason_of(status: int) -> Reason:
    """Return the outcome's reason for a response whose HTTP status is not that of a page."""
    return _REASONS.get(status) or _REASONS_BY_CLASS.get(status // 100, Reason.HTTP_OTHER)


class Stopwatch:
    """Measures the seconds of an attempt's requests.

    Args:
        clock: returns monotonic seconds.

    Attributes:
        seconds: the seconds so far, without a measurement that still runs.
        started_at: when the first measurement began, by `clock`; None before that.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = 0.0
        self.started_at: float | None = None
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Begin a measurement."""
        self._started = self._clock()
        self.started_at = self._started if self.started_at is None else self.started_at

    def stop(self) -> None:
        """End the measurement, if one runs."""
        if self._started is not None:
            self.seconds += self._clock() - self._started
            self._started = None


class Fetcher:
    """Fetches pages. All jobs of a process share one instance.

    Args:
        client: sends the requests.
        rate_limiter: delays or refuses each request.
        max_bytes: the maximum size of a page in bytes, both as received and as decoded.
        max_redirects: maximum number of redirects that are followed for one page.
        policy: what jobs may send besides a plain GET.
    """

    def __init__(
        self,
        client: HttpClient,
        rate_limiter: RateLimiter,
        *,
        max_bytes: int,
        max_redirects: int,
        policy: RequestPolicy = PLAIN_REQUESTS,
    ) -> None:
        self._client = client
        self._rate_limiter = rate_limiter
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._policy = policy

    def fetch(  # noqa: PLR0913 - the last five arguments have defaults
        self,
        url: str,
        politeness: Politeness,
        budget: PageBudget,
        *,
        lane: Lane | None = None,
        stopwatch: Stopwatch | None = None,
        request: PageRequest = PLAIN_GET,
        public_only: bool = False,
        permit: Permit = ALWAYS_PERMITTED,
    ) -> FetchedPage:
        """Return the page at `url`.

        Args:
            url: a URL as `contract.urls.check_url` returns it.
            politeness: the crawl's delay, and whether robots.txt is respected.
            budget: the remaining time of the job for the page, and for waiting.
            lane: the job's lane, if its crawl limits the host of `url`.
            stopwatch: measures the requests, without the waits before them.
            request: how the page is requested.
            public_only: whether only public addresses may be contacted, because a public site led to `url`.
            permit: the operator's permission, which each request needs.

        Raises:
            AttemptFailed: if the page cannot be fetched.
        """
        prepared = self._policy.prepare(request, url)
        stopwatch = stopwatch or Stopwatch()
        host, scope = urlsplit(url).netloc, NetworkScope(public_only=public_only)

        def before_request(url: str) -> None:
            stopwatch.stop()
            is_own_host = urlsplit(url).netloc == host
            self._rate_limiter.acquire(
                url,
                politeness,
                budget,
                lane=lane if is_own_host else None,
                request=prepared,
                public_only=scope.public_only,
                permit=permit,
            )
            stopwatch.start()

        try:
            return self._follow(url, budget, before_request, prepared, scope)
        except FetchError as error:
            raise attempt_failed(error) from None
        finally:
            stopwatch.stop()

    def _follow(
        self,
        url: str,
        budget: PageBudget,
        before_request: Callable[[str], None],
        request: HttpRequest,
        scope: NetworkScope,
    ) -> FetchedPage:
        """Return the first page that does not redirect, neither by its status nor by a refresh."""
        cookies = FetchCookies()
        for _ in range(self._max_redirects + 1):
            with follow_redirects(
                self._client,
                url,
                budget,
                request,
                accept=ACCEPT,
                max_redirects=self._max_redirects,
                before_request=before_request,
                cookies=cookies,
                scope=scope,
            ) as response:
                page, url = self._page(response, budget)
            if not url:
                return page
            # The page that a refresh leads to is requested as after a redirect by 303: with GET.
            request = response.request.redirected(303, page.url, url)
        detail = f"more than {self._max_redirects} pages that refresh, the last one to {url}"
        raise FetchError(FetchErrorKind.TOO_MANY_REDIRECTS, detail, url=url)

    def _page(self, response: HttpResponse, budget: PageBudget) -> tuple[FetchedPage, str]:
        """Return the page, and the URL to which it redirects by a refresh; `""` if it does not."""
        if response.status not in _PAGE_STATUSES:
            raise self._status_failed(response)
        content_type = response.content_type
        type_name = media_type(content_type)
        if type_name and not _ACCEPTED_TYPE.fullmatch(type_name):
            detail = f"the page's Content-Type is {content_type}"
            raise AttemptFailed(
                Reason.CONTENT_TYPE, detail, http_status=response.status, final_url=response.url
            )
        body = response.read_body(self._max_bytes, before_large=budget.begin_large)
        body = self._policy.secrets.hide_in_body(body)
        page = FetchedPage(response.url, response.status, content_type, body, response.is_public)
        return page, _refresh_url(page, type_name, response.header("Refresh"))

    def _status_failed(self, response: HttpResponse) -> AttemptFailed:
        status = response.status
        retry_after = response.header("Retry-After") if status in {429, 503} else ""
        seconds = self._rate_limiter.note_retry_after(response.url, retry_after, response.header("Date"))
        shown = f", Retry-After: {shorten(retry_after, 80)}" if retry_after else ""
        return AttemptFailed(
            reason_of(status),
            f"the site answered {status}{shown}",
            http_status=status,
            final_url=response.url,
            retry_after=seconds,
        )


def _refresh_url(page: FetchedPage, type_name: str, header: str) -> str:
    try:
        return refresh_url(page, type_name, header)
    except ExtractionError:
        return ""  # the extraction reports the same error
    except ValueError as error:
        detail = f"the page refreshes to another URL: {error}"
        raise FetchError(
            FetchErrorKind.INVALID_REDIRECT, detail, status=page.http_status, url=page.url
        ) from None
