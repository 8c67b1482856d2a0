"""Sends HTTP requests to the public internet, with the adapter of `requests` over guarded connections.

A session of requests is not used: it would use proxies of the environment and passwords in .netrc, keep
cookies, and read the whole body of a redirect.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from guarded_http.addresses import parse_networks, parse_ports
from guarded_http.connection import ByteBudget
from guarded_http.content_coding import ACCEPT_ENCODING
from guarded_http.cookies import FetchCookies
from guarded_http.dialer import Dialer
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.proxy import proxy_authorization
from guarded_http.request import PLAIN_GET, HttpRequest, Proxy
from guarded_http.resolver import make_resolver
from guarded_http.response import HttpResponse, translate_errors
from guarded_http.scope import NetworkScope
from guarded_http.transport import RequestTimeout, Transport


class HttpClient:
    """Sends requests, and reuses connections to the same site.

    Redirects are not followed; `guarded_http.redirects` does that.

    Args:
        user_agent: the User-Agent header of requests that have no other.
        dialer: makes the connections.
        tls_context: returns the context that checks certificates; not called before the first https URL.
        yield_processor: called after each 64 KiB that were received or decoded, so that other greenlets can
            run even if the site sends faster than the process reads.
    """

    def __init__(
        self,
        user_agent: str,
        dialer: Dialer,
        *,
        tls_context: Callable[[], ssl.SSLContext] | None = None,
        yield_processor: Callable[[], object] = lambda: None,
    ) -> None:
        self._user_agent = user_agent
        self._dialer = dialer
        self._yield_processor = yield_processor
        self._tls_context = tls_context or default_tls_context
        # By proxy (operators allow few), and by whether only public addresses may be contacted: an idle
        # connection to an allowed network must not be used then.
        self._transports = dict[tuple[Proxy | None, bool], Transport]()

    def look_up(self, url: str, seconds: float) -> bool:
        """Return whether `send` need not wait for a lookup of the host of `url`.

        Args:
            url: a URL as `contract.urls.check_url` returns it.
            seconds: how long to wait for the lookup; with 0 none is begun.

        Raises:
            FetchError: `dns`, if the lookup has failed.
        """
        try:
            return self._dialer.look_up(urlsplit(url).hostname or "", seconds)
        except FetchError as error:
            raise FetchError(error.kind, error.detail, url=url) from None

    @contextmanager
    def send(  # noqa: PLR0913 - the last three arguments have defaults
        self,
        url: str,
        deadline: Deadline,
        request: HttpRequest = PLAIN_GET,
        *,
        accept: str = "*/*",
        cookies: FetchCookies | None = None,
        scope: NetworkScope | None = None,
    ) -> Iterator[HttpResponse]:
        """Request `url` and return the response once its header has been received.

        Args:
            url: a URL as `contract.urls.check_url` returns it; it is sent unchanged.
            deadline: the time limit for the request and for reading the body.
            request: what is sent besides the URL.
            accept: the Accept header.
            cookies: the cookies of the fetch, which are sent and extended; None to send and keep none.
            scope: the addresses that the fetch may contact, which a public response restricts; None for a
                fetch of one request.

        Raises:
            FetchError: if no valid response header was received, or the proxy wants other credentials.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        prepared = self._prepare(url, request, accept)
        budget = ByteBudget(deadline, self._yield_processor)
        scope = scope or NetworkScope()
        (cookies or FetchCookies()).add_to(prepared, request.cookies)
        is_sent_to_proxy = request.proxy is not None and url.startswith("http:")
        timeout = RequestTimeout(url if is_sent_to_proxy else prepared.path_url, budget)
        with translate_errors(deadline, url, kind=FetchErrorKind.CONNECT):
            response = self._transport(request.proxy, scope).send(
                prepared,
                stream=True,
                timeout=timeout,  # type: ignore[arg-type] # requests' adapter takes urllib3's Timeout too
            )
        scope.public_only = scope.public_only or budget.is_public
        if cookies is not None:
            cookies.take_from(prepared, response)
        with response:
            if is_sent_to_proxy and response.status_code == 407:
                detail = (
                    f"the proxy {request.proxy.url if request.proxy else ''} wants other credentials (407)"
                )
                raise FetchError(FetchErrorKind.CONNECT, detail, status=407, url=url)
            yield HttpResponse(url, response, budget, request)

    def _transport(self, proxy: Proxy | None, scope: NetworkScope) -> Transport:
        public_only = scope.public_only and bool(self._dialer.allowed_networks)
        transport = self._transports.get((proxy, public_only))
        if transport is None:
            dialer = replace(self._dialer, public_only=public_only)
            transport = Transport(dialer, self._tls_context, proxy)
            transport = self._transports.setdefault((proxy, public_only), transport)
        return transport

    def _prepare(self, url: str, request: HttpRequest, accept: str) -> requests.PreparedRequest:
        headers = CaseInsensitiveDict(
            {
                "Host": urlsplit(url).netloc,
                "User-Agent": request.user_agent or self._user_agent,
                "Accept": accept,
                "Accept-Encoding": ACCEPT_ENCODING,
            }
        )
        headers.update(request.headers)
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        if request.proxy is not None and request.proxy.credentials and url.startswith("http:"):
            headers["Proxy-Authorization"] = proxy_authorization(request.proxy)
        prepared = requests.PreparedRequest()
        prepared.prepare_method(request.method)
        prepared.headers, prepared.body = headers, request.body
        prepared.url = url  # prepare_url would normalise the percent-escapes
        return prepared


def make_client(
    user_agent: str,
    allow_networks: str = "",
    refuse_ports: str = "",
    dns_servers: str = "",
    *,
    yield_processor: Callable[[], object] = lambda: None,
) -> HttpClient:
    """Return a client for the public internet.

    Args:
        user_agent: the User-Agent header of every request.
        allow_networks: comma-separated CIDRs that may be contacted although they are not public.
        refuse_ports: comma-separated ports that are never contacted at addresses that are not public.
        dns_servers: comma-separated DNS servers; empty for those of /etc/resolv.conf.
        yield_processor: see `HttpClient`.

    Raises:
        ValueError: if `allow_networks` has an entry that is not a CIDR, `refuse_ports` one that is not a
            port, or `dns_servers` one that is not an IP address with or without a port.
    """
    dialer = Dialer(
        parse_networks(allow_networks), make_resolver(dns_servers), refused_ports=parse_ports(refuse_ports)
    )
    return HttpClient(user_agent, dialer, yield_processor=yield_processor)


@cache
def default_tls_context() -> ssl.SSLContext:
    """Return a context that trusts the certificate authorities of certifi, which are Mozilla's."""
    import certifi  # noqa: PLC0415 - only https URLs need this import

    return ssl.create_default_context(cafile=certifi.where())
