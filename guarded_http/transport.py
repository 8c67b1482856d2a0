"""Makes the library `requests` use urllib3's connection pools with guarded connections."""

import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import port_by_scheme
from urllib3.response import BaseHTTPResponse

from guarded_http.connection import ByteBudget, Connection, TlsConnection
from guarded_http.dialer import Dialer
from guarded_http.idle_connections import IdleConnections
from guarded_http.proxy import ProxyDialer
from guarded_http.request import Proxy

MAX_SITES = 1_000  #: maximum number of sites whose pools are kept; a pool has no connections of its own


class RequestTimeout(Timeout):
    """Carries a request's byte budget and target through requests and urllib3 to its connection.

    Attributes:
        target: path and query as they are sent, or the URL if it is sent to a proxy; urllib3 would normalise
            their percent-escapes.
        budget: the bytes and the time that the request may take.
    """

    def __init__(self, target: str, budget: ByteBudget) -> None:
        seconds = budget.read_timeout()
        super().__init__(connect=seconds, read=seconds)
        self.target = target
        self.budget = budget

    def clone(self) -> "RequestTimeout":
        """Return a timeout that has not started; urllib3 clones one for each attempt."""
        return RequestTimeout(self.target, self.budget)


class _Pool(HTTPConnectionPool):
    """Connections to one site, whose idle ones are kept with those of the other sites.

    Args:
        idle: the idle connections of all sites.
    """

    ConnectionCls: type[Connection] = Connection

    def __init__(self, *arguments: Any, idle: IdleConnections[Connection], **options: Any) -> None:  # noqa: ANN401 - the arguments are urllib3's
        super().__init__(*arguments, **options)
        self._idle = idle
        self._site = self.scheme, self.host, self.port

    def _get_conn(self, timeout: float | None = None) -> Connection:
        """Return an idle connection that is still open, or a new one."""
        del timeout  # urllib3 waits for a connection if their number is limited
        while connection := self._idle.take(self._site):
            if connection.is_connected:
                return connection
            connection.close()
        return self._new_conn()  # type: ignore[return-value] # it is a ConnectionCls

    def _put_conn(self, conn: Connection | None) -> None:  # type: ignore[override] # it is a ConnectionCls
        """Keep a connection, unless its last response was the last one."""
        if conn is not None and not conn.is_closed:
            self._idle.keep(self._site, conn)

    def _make_request(  # type: ignore[override] # urllib3's options are not listed
        self,
        conn: Connection,
        method: str,
        url: str,  # noqa: ARG002 - urllib3 normalised this URL; the target of the timeout is sent instead
        **options: Any,  # noqa: ANN401 - the options are urllib3's
    ) -> BaseHTTPResponse:
        """Send a request; if the site closed the idle connection, send it again over a new one.

        A POST is sent over a new connection only, because it must not be sent twice (RFC 9110 section 9.2.2).
        """
        timeout: RequestTimeout = options["timeout"]
        conn.budget = timeout.budget
        send = partial(super()._make_request, conn, method, timeout.target, **options)
        if method != "GET":
            conn.close()
        was_idle = not conn.is_closed
        try:
            return send()
        except ConnectionError:
            if not was_idle or timeout.budget.received:
                raise
            conn.close()  # sending opens it again
            return send()


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = TlsConnection


class Transport(HTTPAdapter):
    """Sends requests whose timeout is a `RequestTimeout`.

    Args:
        dialer: makes the connections.
        tls_context: returns the context that checks certificates; called for each TLS connection.
        proxy: the proxy of all requests; None for direct connections.
    """

    def __init__(
        self, dialer: Dialer, tls_context: Callable[[], ssl.SSLContext], proxy: Proxy | None = None
    ) -> None:
        super().__init__()
        plain = ProxyDialer(proxy, dialer, has_tunnel=False) if proxy else dialer
        tunnel = ProxyDialer(proxy, dialer, has_tunnel=True) if proxy else dialer
        idle = IdleConnections[Connection]()
        pools: dict[str, Callable[[str, int], HTTPConnectionPool]] = {
            "http": partial(_Pool, dialer=plain, idle=idle),
            "https": partial(
                _TlsPool, dialer=tunnel, tls_context=tls_context, idle=idle, cert_reqs=ssl.CERT_REQUIRED
            ),
        }

        @lru_cache(MAX_SITES)
        def pool(scheme: str, host: str, port: int) -> HTTPConnectionPool:
            return pools[scheme](host, port)

        self._pool = pool

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        *_: object,
        **__: object,
    ) -> HTTPConnectionPool:
        """Return the pool of a site; requests' own method would compare 20 options that never differ."""
        parts = urlsplit(request.url or "")
        return self._pool(parts.scheme, parts.hostname or "", parts.port or port_by_scheme[parts.scheme])

    def cert_verify(self, *_: object) -> None:
        """Do nothing: requests' own method would add authorities to the context at each connection."""

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:  # noqa: ARG002 - the parameters are those of requests
        """Return a response without cookies and text encoding, which `HttpResponse` does not use."""
        response = Response()
        response.status_code, response.raw = resp.status, resp
        response.headers = resp.headers  # type: ignore[assignment] # urllib3's are case-insensitive, too
        return response
