"""Makes connections: resolves a host name once, checks every address, and connects to a checked address.

Only this module opens sockets to hosts, so no request can bypass the check. The connection goes to the
address that was checked, so it does not matter if the name has another address a moment later (DNS
rebinding).
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Event, Thread

from guarded_http.addresses import Address, Network, address_refusal, host_name_refusal
from guarded_http.errors import Deadline, FetchError, FetchErrorKind

CONNECT_SECONDS = 5.0  #: seconds to connect to one address, before the host's next address is tried
MAX_ADDRESSES = 4  #: maximum number of addresses that are tried for one host
#: Seconds added to each timeout that is computed from the deadline. A timer may fire slightly early, but the
#: deadline must have passed when such a timeout ends, so that `remaining` then raises the deadline's
#: exception.
GRACE_SECONDS = 0.02

#: Returns the addresses of a host, or raises OSError if the host has no address.
Resolve = Callable[[str], list[str]]


def resolve(host: str) -> list[str]:
    """Return the addresses of a host, in the order of the system's resolver.

    Raises:
        OSError: if the host has no address.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Dialer:
    """Connects to hosts of the public internet and of the allowed networks.

    Attributes:
        allowed_networks: networks that may be contacted although they are not public.
        resolve: returns the addresses of a host.
        refused_ports: ports that are never contacted at addresses that are not public.
        public_only: whether the allowed networks are refused, too, because a public site led to them.
    """

    allowed_networks: tuple[Network, ...] = ()
    resolve: Resolve = resolve
    refused_ports: frozenset[int] = frozenset()
    public_only: bool = False

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """Return a connected TCP socket.

        Raises:
            FetchError: with the kind `refused_address`, `dns` or `connect`.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        last_error: OSError | None = None
        for address in self._checked_addresses(host, port, deadline)[:MAX_ADDRESSES]:
            try:
                return _connect(address, port, deadline)
            except OSError as error:
                last_error = error
                deadline.remaining()
        detail = f"{host} port {port}: {type(last_error).__name__}: {last_error}"
        raise FetchError(FetchErrorKind.CONNECT, detail) from None

    def _checked_addresses(self, host: str, port: int, deadline: Deadline) -> list[str]:
        """Return the host's addresses, or refuse the host if any of its addresses is refused."""
        if refusal := host_name_refusal(host):
            raise FetchError(FetchErrorKind.REFUSED_ADDRESS, refusal)
        addresses = [host] if _is_address(host) else _resolve_within(deadline, self.resolve, host)
        for address in addresses:
            if refusal := self._refusal(ip_address(address), port):
                detail = refusal if address == host else f"{host}: {refusal}"
                raise FetchError(FetchErrorKind.REFUSED_ADDRESS, detail)
        return addresses

    def _refusal(self, address: Address, port: int) -> str:
        """Return a sentence that says why an address is refused, or `""` if it may be contacted."""
        not_public = address_refusal(address)
        if not not_public:
            return ""
        if refusal := address_refusal(address, self.allowed_networks):
            return refusal
        if self.public_only:
            return f"{not_public}, and a public site led to it"
        return f"{not_public}, and its port {port} is refused" if port in self.refused_ports else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _resolve_within(deadline: Deadline, resolve: Resolve, host: str) -> list[str]:
    """Resolve the host in a separate thread, since the system's resolver has no timeout."""
    results: list[list[str] | Exception] = []
    finished = Event()

    def resolve_in_thread() -> None:
        try:
            results.append(resolve(host))
        except (OSError, UnicodeError) as error:
            results.append(error)
        finally:
            finished.set()

    Thread(target=resolve_in_thread, name="resolve", daemon=True).start()
    finished.wait(deadline.remaining() + GRACE_SECONDS)
    if not results:
        deadline.remaining()
        raise FetchError(FetchErrorKind.DNS, f"{host}: the resolver did not respond")
    if isinstance(results[0], Exception) or not results[0]:
        raise FetchError(FetchErrorKind.DNS, f"{host}: {results[0] or 'the host has no address'}")
    return results[0]


def _connect(address: str, port: int, deadline: Deadline) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(min(CONNECT_SECONDS, deadline.remaining() + GRACE_SECONDS))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection
