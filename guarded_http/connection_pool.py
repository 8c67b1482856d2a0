"""Sends requests over kept or new connections."""

import ssl
from collections.abc import Callable
from contextlib import suppress

from guarded_http.byte_budget import ByteBudget
from guarded_http.connection import Connection, Site, open_connection
from guarded_http.dialer import Dial, Dialer
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.idle_connections import IdleConnections
from guarded_http.proxy import ProxyDialer
from guarded_http.request import Proxy
from guarded_http.response_reader import ResponseReader


class ConnectionPool:
    """The connections to all sites, direct ones or those through one proxy.

    Args:
        dialer: makes the connections.
        tls_context: returns the context that checks certificates; called for each TLS connection.
        proxy: the proxy of all requests; None for direct connections.
    """

    def __init__(
        self, dialer: Dialer, tls_context: Callable[[], ssl.SSLContext], proxy: Proxy | None = None
    ) -> None:
        self._dials: dict[str, Dial] = {
            "http": ProxyDialer(proxy, dialer, has_tunnel=False) if proxy else dialer,
            "https": ProxyDialer(proxy, dialer, has_tunnel=True) if proxy else dialer,
        }
        self._tls_context = tls_context
        self._idle = IdleConnections[Connection]()

    def send(self, site: Site, message: bytes, budget: ByteBudget, *, may_repeat: bool) -> ResponseReader:
        """Send a request, and return its response once the header has been received.

        If the site closed an idle connection before it responded, the request is sent again over a new one.

        Args:
            site: the site.
            message: the request as it is sent.
            budget: limits the time and the bytes of the response.
            may_repeat: whether the request may be sent again; if not, it is sent over a new connection. A
                POST must not be sent twice (RFC 9110 section 9.2.2).

        Raises:
            FetchError: if no valid response header was received.
            OSError: if the connection failed.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        connection = self._take_idle(site) if may_repeat else None
        if connection is not None:
            try:
                return _exchange(connection, message, budget)
            except ConnectionError:
                if budget.received:
                    raise
        new = open_connection(site, self._dials[site.scheme], budget, self._tls_context)
        return _exchange(new, message, budget)

    def release(self, response: ResponseReader) -> None:
        """Keep the connection of a response for later requests, or close it if it cannot be used again."""
        connection = response.connection
        if response.is_reusable:
            self._idle.keep(connection.site, connection)
        else:
            connection.close()

    def _take_idle(self, site: Site) -> Connection | None:
        while connection := self._idle.take(site):
            if connection.is_usable():
                return connection
            connection.close()
        return None


def _exchange(connection: Connection, message: bytes, budget: ByteBudget) -> ResponseReader:
    """Send a request and read the header of its response; close the connection after any exception."""
    try:
        _send(connection, message, budget)
        return ResponseReader(connection, budget)
    except BaseException:
        connection.close()
        raise


def _send(connection: Connection, message: bytes, budget: ByteBudget) -> None:
    """Send a request, or as much of it as the site accepts.

    Raises:
        FetchError: `timeout`, if the site does not read it.
        OSError: if it could not be sent for another reason.
        Exception: the deadline's own exception, if the deadline has passed.
    """
    connection.socket.settimeout(budget.read_timeout())
    try:
        # A site may refuse a large request before it was complete. Its response can be read although it has
        # closed the connection (RFC 9112 section 9.6); without a response, reading fails, too.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.socket.sendall(message)
    except TimeoutError:
        budget.deadline.remaining()
        raise FetchError(FetchErrorKind.TIMEOUT, "the site did not read the request") from None
