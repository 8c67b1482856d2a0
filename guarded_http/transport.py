"""How requests reaches sites: its adapter, over urllib3's pools, of our connections."""

import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.response import BaseHTTPResponse

from guarded_http.connection import Connection, Meter, TlsConnection
from guarded_http.dial import Dial

POOL_SITES = 128  #: to which connections are kept open; those to the site longest not asked close first
POOL_CONNECTIONS = 4  #: to one of them while nobody uses them; more are closed after their page

# It warns of each connection that is not kept.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


class Exchange(Timeout):
    """One request: requests and urllib3 hand a `Timeout` down to the connection, and here it is a deadline.

    Attributes:
        target: path and query as they are sent; urllib3 would spell their escapes anew.
        meter: what the exchange may take.
    """

    def __init__(self, target: str, meter: Meter) -> None:
        patience = meter.patience()
        super().__init__(connect=patience, read=patience)
        self.target = target
        self.meter = meter

    def clone(self) -> "Exchange":
        """Return one that has not begun; urllib3 takes one for each attempt."""
        return Exchange(self.target, self.meter)


class _Pool(HTTPConnectionPool):
    """Connections to one site."""

    ConnectionCls: type[Connection] = Connection

    def _make_request(  # type: ignore[override] # urllib3's own arguments
        self,
        conn: Connection,
        method: str,
        url: str,  # noqa: ARG002 - as urllib3 spells it
        **options: Any,  # noqa: ANN401 - urllib3's own
    ) -> BaseHTTPResponse:
        """Ask over a connection; once more over a new one, where the site had closed it meanwhile."""
        exchange: Exchange = options["timeout"]
        conn.meter = exchange.meter
        ask = partial(super()._make_request, conn, method, exchange.target, **options)
        was_kept = not conn.is_closed
        try:
            return ask()
        except ConnectionError:
            if not was_kept or exchange.meter.received:
                raise
            conn.close()  # and it opens again
            return ask()


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = TlsConnection


class Transport(HTTPAdapter):
    """Sends requests whose timeout is an `Exchange`.

    Args:
        dial: makes the connections.
        tls: makes the context that checks certificates; asked at each TLS connection.
    """

    def __init__(self, dial: Dial, tls: Callable[[], ssl.SSLContext]) -> None:
        super().__init__(pool_connections=POOL_SITES, pool_maxsize=POOL_CONNECTIONS)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_Pool, dial=dial),
            "https": partial(_TlsPool, dial=dial, tls=tls),
        }

    def cert_verify(self, *_: object) -> None:
        """Leave the certificates to `tls`: requests would load its own, for each connection again."""
