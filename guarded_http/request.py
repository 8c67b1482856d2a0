"""Represents what a request sends besides its URL, how it is written, and how a redirect changes it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from contract.urls import origin_of
from guarded_http.errors import FetchError, FetchErrorKind


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: `http://host`, with a port that is not 80.
        credentials: user and password, as `user:password`; `""` if the proxy needs none.
    """

    url: str
    credentials: str = field(default="", repr=False)


@dataclass(frozen=True)
class HttpRequest:
    """A request without its URL. The values are not shown by `repr`, since they may be secret.

    Attributes:
        method: `GET` or `POST`.
        headers: names and values of header fields, which replace those of the client.
        cookies: names and values of cookies.
        body: the body; None if the request has none.
        user_agent: the User-Agent; `""` for that of the client.
        proxy: the proxy; None for a direct connection.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cookies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    user_agent: str = ""
    proxy: Proxy | None = None

    def for_any_site(self) -> "HttpRequest":
        """Return a GET that contains nothing which is meant for one site only."""
        return HttpRequest(user_agent=self.user_agent, proxy=self.proxy)

    def as_get(self) -> Self:
        """Return the request as a GET without body, and without the header fields that describe a body."""
        headers = [(name, value) for name, value in self.headers if not name.lower().startswith("content-")]
        return replace(self, method="GET", body=None, headers=tuple(headers))

    def redirected(self, status: int, url: str, target: str) -> "HttpRequest":
        """Return the request that follows a redirect.

        As in browsers, a POST becomes a GET after 301, 302 and 303, and is repeated after 307 and 308 (RFC
        9110 section 15.4). What was meant for one site is not sent to another origin, and not to a later
        target either, even if that is the first site again.

        Args:
            status: the status of the redirect.
            url: the URL that redirects.
            target: the URL to which it redirects.

        Raises:
            FetchError: `invalid_redirect`, if a body would have to be sent to another origin.
        """
        request = self if self.method == "GET" or status in {307, 308} else self.as_get()
        if origin_of(url) == origin_of(target):
            return request
        if request.method != "GET":
            detail = (
                f"a {request.method} was redirected ({status}) to another origin, {origin_of(target)}, which "
                "does not get its body"
            )
            raise FetchError(FetchErrorKind.INVALID_REDIRECT, detail, status=status, url=url)
        return request.for_any_site()


PLAIN_GET = HttpRequest()  #: a request with the client's own User-Agent


def write_message(method: str, target: str, fields: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return a request as it is sent (RFC 9112).

    Args:
        method: the method.
        target: path and query, or for a proxy the URL; it is sent unchanged.
        fields: names and values of the header fields.
        body: the body; empty if there is none.

    Raises:
        ValueError: if the target or a field has a character that would end it, and so begin another field or
            request. The message does not repeat it, since it may be secret.
    """
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in fields], "", ""]
    head = "\r\n".join(lines)
    line_ends = len(lines) - 1
    if head.count("\n") != line_ends or head.count("\r") != line_ends or "\0" in head or " " in target:
        raise ValueError("the target or a header field of a request has a line break, NUL or a space")
    return head.encode("latin-1") + body
