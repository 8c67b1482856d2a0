"""Makes the library `requests` use urllib3's connection pools with guarded connections."""

import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.response import BaseHTTPResponse

from guarded_http.connection import ByteBudget, Connection, TlsConnection
from guarded_http.dialer import Dialer
from guarded_http.proxy import ProxyDialer
from guarded_http.request import Proxy

POOL_SITES = 128  #: maximum number of sites with idle connections; the least recently used are closed first
#: Maximum number of idle connections to one site. Further connections are closed after their response.
POOL_CONNECTIONS = 4

# urllib3 logs a warning for each connection that the pool does not keep.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


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
    """Connections to one site."""

    ConnectionCls: type[Connection] = Connection

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
        super().__init__(pool_connections=POOL_SITES, pool_maxsize=POOL_CONNECTIONS)
        plain = ProxyDialer(proxy, dialer, has_tunnel=False) if proxy else dialer
        tunnel = ProxyDialer(proxy, dialer, has_tunnel=True) if proxy else dialer
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_Pool, dialer=plain),
            "https": partial(_TlsPool, dialer=tunnel, tls_context=tls_context),
        }

    def cert_verify(self, *_: object) -> None:
        """Do nothing: requests' own method would add authorities to the context at each connection."""
