"""Follows redirects in the same way for pages, robots.txt and sitemaps."""

import string
from collections.abc import Callable
from urllib.parse import quote_from_bytes

from contract.quoting import quote
from contract.urls import check_url, resolve_url
from guarded_http.client import HttpClient
from guarded_http.cookies import FetchCookies
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.request import PLAIN_GET, HttpRequest
from guarded_http.response import HttpResponse
from guarded_http.scope import NetworkScope


def follow_redirects(  # noqa: PLR0913 - five of the arguments are those of HttpClient.send
    client: HttpClient,
    url: str,
    deadline: Deadline,
    request: HttpRequest = PLAIN_GET,
    *,
    accept: str,
    max_redirects: int,
    before_request: Callable[[str], object] = lambda _: None,
    cookies: FetchCookies | None = None,
    scope: NetworkScope | None = None,
) -> HttpResponse:
    """Request `url`, and return the first response that is not a redirect, before its body is read.

    Args:
        client: sends the requests; bodies of redirects are not read.
        url: a URL as `contract.urls.check_url` returns it.
        deadline: the time limit for all requests together.
        request: what is sent besides the URL. `HttpRequest.redirected` says what of it the target of a
            redirect gets.
        accept: the Accept header.
        max_redirects: maximum number of redirects that are followed.
        before_request: called with each URL before it is requested (rate limit, robots.txt). If it raises an
            exception, the URL is not requested and the exception is passed on.
        cookies: the cookies of the fetch, if it continues after this response; they are kept from one
            redirect to the next in any case.
        scope: the addresses that the fetch may contact, if it continues after this response. In any case a
            redirect of a public site leads only to public addresses.

    Returns:
        The response, which the caller closes (`with`).

    Raises:
        FetchError: the errors of `HttpClient.send`; `too_many_redirects`, whose `url` is the next URL, which
            was not requested; or `invalid_redirect`, whose `url` is the one that sent the invalid Location.
        Exception: the deadline's own exception, if the deadline has passed.
    """
    cookies, scope = cookies or FetchCookies(), scope or NetworkScope()
    for _ in range(max_redirects + 1):
        before_request(url)
        response = client.send(url, deadline, request, accept=accept, cookies=cookies, scope=scope)
        location = response.location
        if not location:
            return response
        response.close()
        target = resolve_location(url, location)
        request, url = request.redirected(response.status, url, target), target
    detail = f"more than {max_redirects} redirects, the last one to {url}"
    raise FetchError(FetchErrorKind.TOO_MANY_REDIRECTS, detail, url=url)


def resolve_location(url: str, location: str) -> str:
    """Return the URL to which a redirect leads.

    Args:
        url: the URL that redirects.
        location: the Location header, with one Latin-1 character for each byte. As browsers
            do, this function reads the bytes as UTF-8. If they are not UTF-8, each byte beyond ASCII
            is percent-encoded.

    Raises:
        FetchError: `invalid_redirect`, if the location is not a URL that may be requested.
    """
    raw = location.encode("latin-1")
    try:
        location = raw.decode()
    except UnicodeDecodeError:
        location = quote_from_bytes(raw, safe=string.printable)
    try:
        return check_url(resolve_url(url, location))
    except ValueError as error:
        detail = f"redirected to {quote(location)}: {error}"
        raise FetchError(FetchErrorKind.INVALID_REDIRECT, detail, url=url) from None
