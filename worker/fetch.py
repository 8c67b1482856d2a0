"""Fetching one page: politely, within one budget, by few redirects."""

import re
import string
from urllib.parse import quote, urljoin, urlsplit

from contract.job import Politeness
from contract.outcome import Reason
from contract.urls import check_url
from service.answer import Answer
from service.no_answer import NoAnswer
from service.web import Web
from worker.budget import Budget
from worker.courtesy import Courtesy
from worker.ending import Ended
from worker.page import Page

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

    def __init__(self, web: Web, courtesy: Courtesy, *, max_bytes: int, max_redirects: int) -> None:
        self._web = web
        self._courtesy = courtesy
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects

    def fetch(self, url: str, politeness: Politeness, budget: Budget) -> Page:
        """Return the page at `url`, as `check_url` wrote it.

        Raises:
            Ended: for whatever keeps it from being read.
        """
        for _ in range(self._max_redirects + 1):
            url = without_dots(url)
            self._courtesy.admit(url, politeness, budget)
            try:
                with self._web.get(url, budget, accept=ACCEPT) as answer:
                    if not answer.location:
                        return self._page(url, answer)
                    target = answer.location
            except NoAnswer as wrong:
                raise _ended(wrong, url) from None
            url = _next_url(url, target)
        raise Ended(
            Reason.REDIRECTS, f"more than {self._max_redirects}, the last one to {url}", final_url=url
        )

    def _page(self, url: str, answer: Answer) -> Page:
        status = answer.status
        if status not in {200, 201, 202, 203}:
            raise self._refused(url, answer)
        content_type = answer.content_type
        if content_type and not _READ.match(content_type.lower()):
            detail = f"the page is {content_type}"
            raise Ended(Reason.CONTENT_TYPE, detail, http_status=status, final_url=url)
        return Page(url, status, content_type, answer.body(self._max_bytes))

    def _refused(self, url: str, answer: Answer) -> Ended:
        status = answer.status
        retry_after = answer.field("Retry-After") if status in {429, 503} else ""
        seconds = self._courtesy.heed(url, retry_after)
        told = f", Retry-After: {retry_after[:80]}" if retry_after else ""
        said = f"the site answered {status}{told}"
        return Ended(reason_of(status), said, http_status=status, final_url=url, retry_after=seconds)


def _ended(wrong: NoAnswer, url: str) -> Ended:
    hint = " (FETCH_MAX_BYTES)" if wrong.reason is Reason.TOO_LARGE else ""
    return Ended(wrong.reason, wrong.detail + hint, http_status=wrong.status, final_url=url)


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
        raise Ended(Reason.BAD_URL, f"redirected to {target[:200]!r}: {wrong}", final_url=url) from None
