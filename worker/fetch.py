"""Fetching one page: politely, within one budget, by few redirects."""

import re
import string
from urllib.parse import quote, urljoin, urlsplit

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from contract.urls import check_url
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError
from guarded_http.response import Answer
from worker.budget import Budget
from worker.page import Page
from worker.rate_limiter import RateLimiter

ACCEPT = "text/html, application/xhtml+xml, application/xml;q=0.9, application/json;q=0.9, text/*;q=0.8"
# HTML, XHTML, XML, JSON and text, by their media types (RFC 6838 section 4.2.8 for the suffixes).
_READ = re.compile(r"text/|application/(?:xhtml\+xml|xml|json)\b|[\w.-]+/[\w.-]+\+(?:xml|json)\b")
_DOTS = {".": ".", "%2e": ".", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}

_REASONS = {
    403: Reason.HTTP_403,
    404: Reason.HTTP_404,
    408: Reason.HTTP_408,
    410: Reason.HTTP_410,
    425: Reason.HTTP_425,
    429: Reason.HTTP_429,
}


def reason_of(status: int) -> Reason:
    """Return why an answer with `status` gives no page."""
    by_class = {4: Reason.HTTP_4XX, 5: Reason.HTTP_5XX}
    return _REASONS.get(status) or by_class.get(status // 100, Reason.HTTP_OTHER)


class Fetcher:
    """Fetches pages.

    Args:
        web: asks for them.
        courtesy: says when.
        max_bytes: of one page, as received and as decoded.
        max_redirects: followed for one page.
    """

    def __init__(self, web: HttpClient, courtesy: RateLimiter, *, max_bytes: int, max_redirects: int) -> None:
        self._web = web
        self._courtesy = courtesy
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects

    def fetch(self, url: str, politeness: Politeness, budget: Budget) -> Page:
        """Return the page at `url`, as `check_url` wrote it.

        Raises:
            AttemptFailed: for whatever keeps it from being read.
        """
        for _ in range(self._max_redirects + 1):
            url = without_dots(url)
            self._courtesy.admit(url, politeness, budget)
            try:
                with self._web.get(url, budget, accept=ACCEPT) as answer:
                    if not answer.location:
                        return self._page(url, answer)
                    target = answer.location
            except FetchError as wrong:
                raise _ended(wrong, url) from None
            url = _next_url(url, target)
        raise AttemptFailed(
            Reason.TOO_MANY_REDIRECTS,
            f"more than {self._max_redirects}, the last one to {url}",
            final_url=url,
        )

    def _page(self, url: str, answer: Answer) -> Page:
        status = answer.status
        if status not in {200, 201, 202, 203}:
            raise self._refused(url, answer)
        content_type = answer.content_type
        if content_type and not _READ.match(content_type.lower()):
            detail = f"the page is {content_type}"
            raise AttemptFailed(Reason.CONTENT_TYPE, detail, http_status=status, final_url=url)
        return Page(url, status, content_type, answer.body(self._max_bytes))

    def _refused(self, url: str, answer: Answer) -> AttemptFailed:
        status = answer.status
        retry_after = answer.field("Retry-After") if status in {429, 503} else ""
        seconds = self._courtesy.heed(url, retry_after)
        told = f", Retry-After: {retry_after[:80]}" if retry_after else ""
        said = f"the site answered {status}{told}"
        return AttemptFailed(reason_of(status), said, http_status=status, final_url=url, retry_after=seconds)


def _ended(wrong: FetchError, url: str) -> AttemptFailed:
    hint = " (FETCH_MAX_BYTES)" if wrong.reason is Reason.TOO_LARGE else ""
    return AttemptFailed(wrong.reason, wrong.detail + hint, http_status=wrong.status, final_url=url)


def without_dots(url: str) -> str:
    """Return `url` without dot segments, as browsers send it and robots.txt means it (RFC 3986, 5.2.4)."""
    parts = urlsplit(url)
    segments = parts.path.split("/")
    if not any(segment.lower() in _DOTS for segment in segments):
        return url
    kept: list[str] = []
    for segment in segments[1:]:
        dots = _DOTS.get(segment.lower())
        if dots == ".." and kept:
            kept.pop()
        if dots is None:
            kept.append(segment)
    if segments[-1].lower() in _DOTS:
        kept.append("")
    return parts._replace(path="/" + "/".join(kept)).geturl()


def _next_url(url: str, target: str) -> str:
    """Return where a redirect leads; bytes that are no UTF-8 percent-encoded, as browsers send them."""
    raw = target.encode("latin-1")
    try:
        target = raw.decode()
    except UnicodeDecodeError:
        target = quote(raw, safe=string.printable)
    try:
        return check_url(urljoin(url, target))
    except ValueError as wrong:
        raise AttemptFailed(
            Reason.BAD_URL, f"redirected to {target[:200]!r}: {wrong}", final_url=url
        ) from None
