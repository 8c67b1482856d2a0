"""Fetching one page: requests with a pooled session, one budget, a size cap, few redirects."""

import string
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import quote, urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    ReadTimeoutError,
    SSLError,
)

from contract.outcome import Reason
from contract.urls import check_url
from worker.budget import Budget
from worker.ending import Ended
from worker.page import Page

Told = TypeVar("Told")

CONNECT_SECONDS = 10
SILENCE_SECONDS = 20  #: a site that sends nothing for so long has stopped answering
CHUNK_BYTES = 64 * 1024
HOSTS_KEPT = 256  #: hosts whose connections are kept open
ACCEPT = "text/html, application/xhtml+xml, application/xml;q=0.9, text/*;q=0.8"
READ_TYPES = ("text/", "application/xhtml+xml", "application/xml")

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


class _OneAnswer(requests.Session):
    """A session to which every answer is the last: requests reads a redirect's whole body, however large."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


def open_session(*, user_agent: str, connections: int) -> requests.Session:
    """Return a session for pages of many sites: no cookies, no environment, connections kept open."""
    session = _OneAnswer()
    session.trust_env = False  # a job must not use this machine's proxies or .netrc passwords
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": user_agent, "Accept": ACCEPT})
    adapter = HTTPAdapter(pool_connections=HOSTS_KEPT, pool_maxsize=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class Fetcher:
    """Fetches pages.

    Args:
        session: from `open_session`.
        max_bytes: of one page, decoded.
        max_redirects: followed for one page.
    """

    def __init__(self, session: requests.Session, *, max_bytes: int, max_redirects: int) -> None:
        self._session = session
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects

    def fetch(self, url: str, budget: Budget) -> Page:
        """Return the page at `url`.

        Raises:
            Ended: for whatever keeps it from being read.
        """
        for _ in range(self._max_redirects + 1):
            with self._request(url, budget) as answer:
                target = _redirect_target(answer)
                if target is None:
                    return self._page(url, answer, budget)
            url = _next_url(url, target)
        raise Ended(
            Reason.REDIRECTS, f"more than {self._max_redirects}, the last one to {url}", final_url=url
        )

    def _request(self, url: str, budget: Budget) -> requests.Response:
        timeout = (min(CONNECT_SECONDS, budget.left()), min(SILENCE_SECONDS, budget.left()))
        return _told(
            url, budget, lambda: self._session.get(url, stream=True, timeout=timeout, allow_redirects=False)
        )

    def _page(self, url: str, answer: requests.Response, budget: Budget) -> Page:
        status = answer.status_code
        if not 200 <= status < 300 or status == 204:
            raise Ended(reason_of(status), f"the site answered {status}", http_status=status, final_url=url)
        content_type = answer.headers.get("Content-Type", "")
        if content_type and not content_type.strip().lower().startswith(READ_TYPES):
            detail = f"the page is {content_type}"
            raise Ended(Reason.CONTENT_TYPE, detail, http_status=status, final_url=url)
        # A body that ends early, or is garbled on its way, may come whole the next time.
        body = _told(url, budget, lambda: self._body(url, answer, budget), otherwise=Reason.CUT_SHORT)
        return Page(url, status, content_type, body)

    def _body(self, url: str, answer: requests.Response, budget: Budget) -> bytes:
        body = bytearray()
        announced = answer.headers.get("Content-Length", "")
        size = int(announced) if announced.isdecimal() else 0
        # Not iter_content: it waits for a whole chunk, which a site that sends byte by byte never fills.
        while size <= self._max_bytes and (chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True)):
            body += chunk
            size = len(body)
            budget.left()
        if size > self._max_bytes:
            detail = f"the page has more than {self._max_bytes} bytes (FETCH_MAX_BYTES)"
            raise Ended(Reason.TOO_LARGE, detail, http_status=answer.status_code, final_url=url)
        return bytes(body)


def _redirect_target(answer: requests.Response) -> str | None:
    """Return where a redirect points to; bytes that are no UTF-8 percent-encoded, as browsers send them."""
    if not answer.is_redirect:
        return None
    raw = answer.headers["Location"].encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return quote(raw, safe=string.printable)


def _next_url(url: str, target: str) -> str:
    try:
        return check_url(urljoin(url, target))
    except ValueError as wrong:
        raise Ended(Reason.BAD_URL, f"redirected to {target[:200]!r}: {wrong}", final_url=url) from None


def _told(url: str, budget: Budget, ask: Callable[[], Told], *, otherwise: Reason = Reason.CONNECT) -> Told:
    """Return what `ask` returns; tell what keeps it from answering as a reason."""
    try:
        return ask()
    except (requests.RequestException, HTTPError, OSError, UnicodeError) as wrong:
        budget.left()  # where the budget was spent, that is the reason
        raise Ended(_reason(wrong) or otherwise, _sentence(wrong), final_url=url) from None


def _reason(wrong: Exception) -> Reason | None:
    """Return the reason for what requests or urllib3 raised, by the most telling of its causes."""
    causes = list(_causes(wrong))
    for told, reason in _BY_CAUSE:
        if any(isinstance(cause, told) for cause in causes):
            return reason
    return None


def _causes(wrong: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it wraps: requests keeps urllib3's in `args`, urllib3 in `reason`."""
    while wrong is not None:
        yield wrong
        inner = getattr(wrong, "reason", None) or next(iter(wrong.args), None)
        wrong = inner if isinstance(inner, BaseException) else wrong.__cause__


def _sentence(wrong: Exception) -> str:
    innermost = list(_causes(wrong))[-1]
    return f"{type(innermost).__name__}: {innermost}"


# The most telling first.
_BY_CAUSE: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Reason], ...] = (
    (NameResolutionError, Reason.DNS),
    ((requests.exceptions.SSLError, SSLError), Reason.TLS),
    ((requests.ConnectTimeout, ConnectTimeoutError), Reason.CONNECT),
    ((requests.ReadTimeout, ReadTimeoutError, TimeoutError), Reason.TIMEOUT),
    ((LocationParseError, UnicodeError, requests.exceptions.InvalidURL), Reason.BAD_URL),
)
