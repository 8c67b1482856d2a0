"""Opens connections to sites, which a dialer has checked, and with TLS for https."""

import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from guarded_http.byte_budget import ByteBudget
from guarded_http.dialer import Dial
from guarded_http.errors import FetchError, FetchErrorKind

_PORTS = {"http": 80, "https": 443}


class Site(NamedTuple):
    """A server that may be reached by one connection for many requests.

    Attributes:
        scheme: `http` or `https`.
        host: the host name or the address, an IPv6 address without brackets.
        port: the TCP port.
    """

    scheme: str
    host: str
    port: int


@lru_cache(maxsize=1_000)
def site_of(origin: str) -> Site:
    """Return the site of an origin, as `contract.urls.origin_of` returns it."""
    parts = urlsplit(origin)
    return Site(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])


class Connection:
    """An open connection.

    Attributes:
        site: the site to which it leads.
        socket: its socket.
        is_public: whether the site has a public address.
    """

    def __init__(self, site: Site, sock: socket.socket, *, is_public: bool) -> None:
        self.site = site
        self.socket = sock
        self.is_public = is_public

    def is_usable(self) -> bool:
        """Return whether the idle connection is open and has no unread bytes.

        The socket is not polled: under gevent that takes a tenth of the processor time of a fetch, and it
        does not see the bytes that TLS has already decrypted.
        """
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return False
        self.socket.settimeout(0)  # until the next request sets its own timeout
        try:
            socket.socket.recv(self.socket, 1, socket.MSG_PEEK)  # SSLSocket.recv has no flags
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def open_connection(
    site: Site, dial: Dial, budget: ByteBudget, tls_context: Callable[[], ssl.SSLContext]
) -> Connection:
    """Return a new connection; with TLS, the certificate of the site has been checked.

    SNI and the check of the certificate use the host's name, not its address.

    Args:
        site: the site.
        dial: connects to the site.
        budget: limits the time.
        tls_context: returns the context that checks certificates; called for https only.

    Raises:
        FetchError: the errors of `dial`; `tls`, if the certificate is not valid for the host; `timeout`.
        Exception: the deadline's own exception, if the deadline has passed.
    """
    sock, is_public = dial.open(site.host, site.port, budget.deadline)
    if site.scheme == "https":
        try:
            sock.settimeout(budget.read_timeout())
            sock = tls_context().wrap_socket(sock, server_hostname=site.host.rstrip("."))
        except TimeoutError:
            sock.close()
            budget.deadline.remaining()
            raise FetchError(FetchErrorKind.TIMEOUT, "the TLS handshake timed out") from None
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
            sock.close()
            raise FetchError(FetchErrorKind.TLS, f"{type(error).__name__}: {error}") from None
        except BaseException:  # such as a timer of gevent
            sock.close()
            raise
    return Connection(site, sock, is_public=is_public)
