"""Keeps the cookies of one fetch: those that a redirect sets are sent to its target, and to no other page."""

from collections.abc import Iterable
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from urllib.request import Request

from requests import PreparedRequest, Response
from requests.cookies import extract_cookies_to_jar, get_cookie_header

MAX_COOKIES = 50  #: maximum number of cookies; RFC 6265 section 6.1 recommends this number for each domain
MAX_COOKIE_CHARACTERS = 4096  #: maximum length of name and value of one cookie (RFC 6265 section 6.1)
MAX_COOKIES_CHARACTERS = 16 * 1024  #: maximum length of all cookies; servers refuse longer headers


class _Policy(DefaultCookiePolicy):
    """Accepts cookies up to the maximums, and otherwise as browsers do."""

    def __init__(self) -> None:
        super().__init__()
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


class FetchCookies:
    """The cookies of one fetch."""

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def add_to(self, request: PreparedRequest, given: Iterable[tuple[str, str]] = ()) -> None:
        """Add the Cookie header to a request, if there are cookies for its URL.

        Args:
            request: the request.
            given: names and values of cookies to send in addition, unless the site has set their names.
        """
        header: str = ""
        if self._jar is not None:
            header = get_cookie_header(self._jar, request) or ""  # type: ignore[no-untyped-call] # requests has no types
        kept = {cookie.partition("=")[0] for cookie in header.split("; ")}
        cookies = [f"{name}={value}" for name, value in given if name not in kept]
        if cookies or header:
            request.headers["Cookie"] = "; ".join(filter(None, [*cookies, header]))

    def take_from(self, request: PreparedRequest, response: Response) -> None:
        """Keep the cookies that a response sets."""
        if "Set-Cookie" not in response.headers:
            return
        if self._jar is None:
            self._jar = CookieJar(_Policy())
        extract_cookies_to_jar(self._jar, request, response.raw)  # type: ignore[no-untyped-call] # requests has no types
