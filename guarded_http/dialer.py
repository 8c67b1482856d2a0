"""Makes connections: looks a host name up once, checks every address, and connects to a checked address.

Only this module opens sockets to sites, so no request can bypass the check. The connection goes to the
address that was checked, so it does not matter if the name has another address a moment later (DNS
rebinding).
"""

import socket
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from guarded_http.addresses import Address, Network, address_refusal, host_name_refusal, is_public
from guarded_http.dns_answers import DnsAnswer
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.resolver import make_resolver

CONNECT_SECONDS = 5.0  #: seconds to connect to one address, before the host's next address is tried
MAX_ADDRESSES = 4  #: maximum number of addresses that are tried for one host
#: Seconds added to each timeout that is computed from the deadline. A timer may fire slightly early, but the
#: deadline must have passed when such a timeout ends, so that `remaining` then raises the deadline's
#: exception.
GRACE_SECONDS = 0.02


class HostLookup(Protocol):
    """Looks up hosts; see `guarded_http.resolver.Resolver`."""

    def known(self, host: str) -> DnsAnswer | None:
        """Return the answer that needs no query now, or None if the host must be looked up."""

    def look_up(self, host: str, seconds: float) -> DnsAnswer | None:
        """Return the answer for a host, or None if there is none within `seconds`."""


class Opened(NamedTuple):
    """An open connection.

    Attributes:
        socket: the connected socket.
        is_public: whether its host has a public address.
    """

    socket: socket.socket
    is_public: bool


class Dial(Protocol):
    """Opens connections to hosts, directly or through a proxy."""

    def open(self, host: str, port: int, deadline: Deadline) -> Opened:
        """Return a connection; see `Dialer.connect`."""


@dataclass(frozen=True)
class Dialer:
    """Connects to hosts of the public internet and of the allowed networks.

    Attributes:
        allowed_networks: networks that may be contacted although they are not public.
        resolver: looks up the hosts.
        refused_ports: ports that are never contacted at addresses that are not public.
        public_only: whether the allowed networks are refused, too, because a public site led to them.
    """

    allowed_networks: tuple[Network, ...] = ()
    resolver: HostLookup = field(default_factory=make_resolver)
    refused_ports: frozenset[int] = frozenset()
    public_only: bool = False

    def look_up(self, host: str, seconds: float) -> bool:
        """Return whether `connect` need not wait for a lookup of the host.

        Args:
            host: a host name or an address.
            seconds: how long to wait for the lookup; with 0 none is begun.

        Raises:
            FetchError: `dns`, if the lookup has failed.
        """
        if _is_address(host) or host_name_refusal(host):
            return True
        answer = self.resolver.look_up(host, seconds) if seconds > 0 else self.resolver.known(host)
        return bool(answer and _addresses(host, answer))

    def open(self, host: str, port: int, deadline: Deadline) -> Opened:
        """Return a connection; see `connect`."""
        connection = self.connect(host, port, deadline)
        return Opened(connection, is_public(ip_address(connection.getpeername()[0])))

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """Return a connected TCP socket.

        Raises:
            FetchError: with the kind `refused_address`, `dns` or `connect`.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        last_error: OSError | None = None
        for address in self.checked_addresses(host, port, deadline)[:MAX_ADDRESSES]:
            try:
                return _connect(address, port, deadline)
            except OSError as error:
                last_error = error
                deadline.remaining()
        detail = f"{host} port {port}: {type(last_error).__name__}: {last_error}"
        raise FetchError(FetchErrorKind.CONNECT, detail) from None

    def checked_addresses(self, host: str, port: int, deadline: Deadline) -> tuple[str, ...]:
        """Return the host's addresses, or refuse the host if any of its addresses is refused.

        Raises:
            FetchError: with the kind `refused_address` or `dns`.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        if refusal := host_name_refusal(host):
            raise FetchError(FetchErrorKind.REFUSED_ADDRESS, refusal)
        addresses = (host,) if _is_address(host) else self._look_up_within(deadline, host)
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

    def _look_up_within(self, deadline: Deadline, host: str) -> tuple[str, ...]:
        answer = self.resolver.look_up(host, deadline.remaining() + GRACE_SECONDS)
        if answer is None:
            deadline.remaining()
            raise FetchError(FetchErrorKind.DNS, f"{host}: the lookup ended unexpectedly")
        return _addresses(host, answer)


@lru_cache(maxsize=4096)  # each job asks for its host
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _addresses(host: str, answer: DnsAnswer) -> tuple[str, ...]:
    if not answer.addresses:
        raise FetchError(FetchErrorKind.DNS, f"{host}: {answer.failure}")
    return answer.addresses


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
