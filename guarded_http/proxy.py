"""Connects to hosts through an HTTP proxy.

The host is resolved and checked here before the proxy is asked for it. The proxy then resolves the name
again, so only the proxy can decide where the connection really goes.
"""

import socket
from base64 import b64encode
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from contract.quoting import quote
from guarded_http.addresses import is_public, parse_networks
from guarded_http.dialer import GRACE_SECONDS, Dialer, Opened
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.request import Proxy

MAX_TUNNEL_HEADER_BYTES = 16 * 1024  #: maximum size of a proxy's response to CONNECT
_ANY_NETWORK = parse_networks("0.0.0.0/0, ::/0")


@dataclass(frozen=True)
class ProxyDialer:
    """Connects to a proxy on behalf of a host.

    Attributes:
        proxy: the proxy. An operator has chosen it, so its address may be private.
        dialer: checks the host.
        has_tunnel: whether the proxy opens a tunnel to the host (CONNECT), as for https; otherwise the
            requests themselves are sent to the proxy.
    """

    proxy: Proxy
    dialer: Dialer
    has_tunnel: bool

    def open(self, host: str, port: int, deadline: Deadline) -> Opened:
        """Return a socket whose other end is the proxy, or with a tunnel the host.

        Raises:
            FetchError: `refused_address` or `dns` if the host must not be contacted or has no address;
                `connect` if there is no connection to the proxy or the proxy opens no tunnel.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        addresses = self.dialer.checked_addresses(host, port, deadline)
        connection = self._connect_to_proxy(deadline)
        if self.has_tunnel:
            try:
                self._open_tunnel(
                    connection, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", deadline
                )
            except BaseException:
                connection.close()
                raise
        return Opened(connection, all(is_public(ip_address(address)) for address in addresses))

    def _connect_to_proxy(self, deadline: Deadline) -> socket.socket:
        parts = urlsplit(self.proxy.url)
        any_address = replace(
            self.dialer, allowed_networks=_ANY_NETWORK, refused_ports=frozenset(), public_only=False
        )
        try:
            return any_address.connect(parts.hostname or "", parts.port or 80, deadline)
        except FetchError as error:
            raise self._failed(error.detail) from None

    def _open_tunnel(self, connection: socket.socket, authority: str, deadline: Deadline) -> None:
        """Ask the proxy for a tunnel (RFC 9110 section 9.3.6)."""
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if self.proxy.credentials:
            lines.append(f"Proxy-Authorization: {proxy_authorization(self.proxy)}")
        try:
            connection.settimeout(deadline.remaining() + GRACE_SECONDS)
            connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            header = b""
            while b"\r\n\r\n" not in header:
                connection.settimeout(deadline.remaining() + GRACE_SECONDS)
                received = connection.recv(MAX_TUNNEL_HEADER_BYTES - len(header))
                header += received
                if not received:
                    raise self._failed(f"it ended its response to CONNECT {authority} within the header")
        except OSError as error:
            deadline.remaining()
            raise self._failed(f"CONNECT {authority}: {type(error).__name__}: {error}") from None
        status = header.split(b"\r\n", 1)[0].split(b" ")[1:2]
        if not header.startswith(b"HTTP/1.") or not status or not status[0].startswith(b"2"):
            shown = quote(header.split(b"\r\n", 1)[0].decode("latin-1"), 80)
            raise self._failed(f"it answered CONNECT {authority} with {shown}")
        if not header.endswith(b"\r\n\r\n"):
            raise self._failed(f"it sent bytes before those of {authority}")

    def _failed(self, detail: str) -> FetchError:
        return FetchError(FetchErrorKind.CONNECT, f"the proxy {self.proxy.url}: {detail}")


def proxy_authorization(proxy: Proxy) -> str:
    """Return the value of Proxy-Authorization (RFC 7617)."""
    return "Basic " + b64encode(proxy.credentials.encode()).decode("ascii")
