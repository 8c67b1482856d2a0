"""Keeps the cookies of one fetch: those that a redirect sets are sent to its target, and to no other page."""

import re
from collections.abc import Iterable
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from urllib.request import Request

from guarded_http.response_head import HeaderFields

MAX_COOKIES = 50  #: maximum number of cookies; RFC 6265 section 6.1 recommends this number for each domain
MAX_COOKIE_CHARACTERS = 4096  #: maximum length of name and value of one cookie (RFC 6265 section 6.1)
MAX_COOKIES_CHARACTERS = 16 * 1024  #: maximum length of all cookies; servers refuse longer headers
# Lifetimes that no date and no number of seconds has. Browsers ignore such an attribute (RFC 6265 section
# 5.2.2). `CookieJar` would lose all cookies of the response, and warn with a stack trace on stderr.
_UNREADABLE_LIFETIME = re.compile(
    r";\s*(?:expires\b[^;]{100,}|max-age\b(?!\s*=\s*-?[0-9]{1,15}\s*(?:;|$))[^;]*)", re.IGNORECASE
)


class _Policy(DefaultCookiePolicy):
    """Accepts cookies up to the maximums, and otherwise as browsers do."""

    def __init__(self) -> None:
        super().__init__(strict_domain=True)  # no cookies for all sites below a domain like co.uk
        self.count = 0
        self.characters = 0

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Return whether a cookie is kept."""
        size = len(cookie.name) + len(cookie.value or "")
        fits = self.count < MAX_COOKIES and self.characters + size <= MAX_COOKIES_CHARACTERS
        if size > MAX_COOKIE_CHARACTERS or not fits or not super().set_ok(cookie, request):
            return False
        self.count += 1
        self.characters += size
        return True


class _Response:
    """A response as `CookieJar` needs it."""

    def __init__(self, fields: HeaderFields) -> None:
        cookies = fields.get_all("Set-Cookie")
        self._fields = HeaderFields({"set-cookie": [_UNREADABLE_LIFETIME.sub("", each) for each in cookies]})

    def info(self) -> HeaderFields:
        """Return the fields that set cookies."""
        return self._fields


class FetchCookies:
    """The cookies of one fetch."""

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def header(self, url: str, given: Iterable[tuple[str, str]] = ()) -> str:
        """Return the Cookie header of a request; `""` if there are no cookies for its URL.

        Args:
            url: the URL of the request.
            given: names and values of cookies to send in addition, unless the site has set their names.
        """
        header = ""
        if self._jar is not None:
            request = Request(url)  # noqa: S310 - it is not opened, and its scheme is http or https
            self._jar.add_cookie_header(request)
            header = request.get_header("Cookie") or ""
        kept = {cookie.partition("=")[0] for cookie in header.split("; ")}
        cookies = [f"{name}={value}" for name, value in given if name not in kept]
        return "; ".join(filter(None, [*cookies, header]))

    def take_from(self, url: str, fields: HeaderFields) -> None:
        """Keep the cookies that the response of a URL sets."""
        if not fields.get_all("Set-Cookie"):
            return
        if self._jar is None:
            self._jar = CookieJar(_Policy())
        request = Request(url)  # noqa: S310 - it is not opened, and its scheme is http or https
        self._jar.extract_cookies(_Response(fields), request)  # type: ignore[arg-type] # it only calls info()
