"""Sends HTTP/1.1 requests to the public internet, over guarded connections."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from contract.urls import host_of, origin_of
from guarded_http.addresses import parse_networks, parse_ports
from guarded_http.byte_budget import ByteBudget
from guarded_http.connection import site_of
from guarded_http.connection_pool import ConnectionPool
from guarded_http.content_coding import ACCEPT_ENCODING
from guarded_http.cookies import FetchCookies
from guarded_http.dialer import Dialer
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.proxy import proxy_authorization
from guarded_http.request import PLAIN_GET, HttpRequest, Proxy, write_message
from guarded_http.resolver import make_resolver
from guarded_http.response import HttpResponse
from guarded_http.scope import NetworkScope


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
        self._pools = dict[tuple[Proxy | None, bool], ConnectionPool]()

    def look_up(self, url: str, seconds: float) -> bool:
        """Return whether `send` need not wait for a lookup of the host of `url`.

        Args:
            url: a URL as `contract.urls.check_url` returns it.
            seconds: how long to wait for the lookup; with 0 none is begun.

        Raises:
            FetchError: `dns`, if the lookup has failed.
        """
        try:
            return self._dialer.look_up(host_of(url), seconds)
        except FetchError as error:
            raise FetchError(error.kind, error.detail, url=url) from None

    def send(  # noqa: PLR0913 - the last three arguments have defaults
        self,
        url: str,
        deadline: Deadline,
        request: HttpRequest = PLAIN_GET,
        *,
        accept: str = "*/*",
        cookies: FetchCookies | None = None,
        scope: NetworkScope | None = None,
    ) -> HttpResponse:
        """Request `url` and return the response once its header has been received.

        Args:
            url: a URL as `contract.urls.check_url` returns it; it is sent unchanged.
            deadline: the time limit for the request and for reading the body.
            request: what is sent besides the URL.
            accept: the Accept header.
            cookies: the cookies of the fetch, which are sent and extended; None to send and keep none.
            scope: the addresses that the fetch may contact, which a public response restricts; None for a
                fetch of one request.

        Returns:
            The response, which the caller closes (`with`).

        Raises:
            FetchError: if no valid response header was received, or the proxy wants other credentials.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        scope = scope or NetworkScope()
        cookies = cookies or FetchCookies()
        budget = ByteBudget(deadline, self._yield_processor)
        message = self._message(url, request, accept, cookies)
        pool = self._pool(request.proxy, scope)
        try:
            reader = pool.send(site_of(origin_of(url)), message, budget, may_repeat=request.method == "GET")
        except FetchError as error:
            error.url = url
            raise
        except OSError as error:
            deadline.remaining()
            detail = f"{type(error).__name__}: {error}"
            raise FetchError(FetchErrorKind.CONNECT, detail, url=url) from None
        response = HttpResponse(url, request, reader, budget, pool)
        if response.status == 407 and request.proxy is not None and url.startswith("http:"):
            response.close()
            detail = f"the proxy {request.proxy.url} wants other credentials (407)"
            raise FetchError(FetchErrorKind.CONNECT, detail, status=407, url=url)
        scope.public_only = scope.public_only or response.is_public
        cookies.take_from(url, reader.head.fields)
        return response

    def _pool(self, proxy: Proxy | None, scope: NetworkScope) -> ConnectionPool:
        public_only = scope.public_only and bool(self._dialer.allowed_networks)
        pool = self._pools.get((proxy, public_only))
        if pool is None:
            dialer = replace(self._dialer, public_only=public_only)
            pool = ConnectionPool(dialer, self._tls_context, proxy)
            pool = self._pools.setdefault((proxy, public_only), pool)
        return pool

    def _message(self, url: str, request: HttpRequest, accept: str, cookies: FetchCookies) -> bytes:
        origin = origin_of(url)
        target = url[len(origin) :]
        fields = [
            ("Host", origin.partition("://")[2]),
            ("User-Agent", request.user_agent or self._user_agent),
            ("Accept", accept),
            ("Accept-Encoding", ACCEPT_ENCODING),
        ]
        if request.headers:
            given = {name.lower() for name, _ in request.headers}
            fields = [field for field in fields if field[0].lower() not in given]
            fields += request.headers
        if request.method != "GET":  # also without a body (RFC 9110 section 8.6)
            fields.append(("Content-Length", str(len(request.body or b""))))
        if request.proxy is not None and url.startswith("http:"):
            target = url
            if request.proxy.credentials:
                fields.append(("Proxy-Authorization", proxy_authorization(request.proxy)))
        if cookie := cookies.header(url, request.cookies):
            fields.append(("Cookie", cookie))
        return write_message(request.method, target, fields, request.body or b"")


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

    context = ssl.create_default_context(cafile=certifi.where())
    context.hostname_checks_common_name = False  # as browsers (RFC 9110 section 4.3.4)
    context.set_alpn_protocols(["http/1.1"])
    return context
