"""Making connections: resolve a name once, check every address, connect to a checked one.

This is the only place that turns a host into a socket, so that nothing can go around the check; and what was
checked is what is connected to: a name that changes its address in between (DNS rebinding) changes nothing.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Event, Thread

from contract.outcome import Reason
from guarded_http.addresses import Network, why_refused, why_refused_name
from guarded_http.errors import Deadline, FetchError

CONNECT_SECONDS = 5.0  #: for one address; then the host's next one is tried
MAX_ADDRESSES = 4  #: of one host that are tried
GRACE_SECONDS = 0.02  #: a timer may be early: what was cut by the deadline must find it passed

Resolve = Callable[[str], list[str]]


def resolve(host: str) -> list[str]:
    """Return the addresses of a host, as the system's resolver orders them.

    Raises:
        OSError: where there are none.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Dial:
    """Connects to hosts of the public internet, and of the networks that are opened.

    Attributes:
        opened: networks that may be connected to although they are not public.
        resolve: a host in, its addresses out.
    """

    opened: tuple[Network, ...] = ()
    resolve: Resolve = resolve

    def __call__(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """Return a connected socket.

        Raises:
            FetchError: `refused_address`, `dns` or `connect`.
        """
        why: OSError | None = None
        for address in self._checked(host, deadline)[:MAX_ADDRESSES]:
            try:
                return _connect(address, port, deadline)
            except OSError as wrong:
                why = wrong
                deadline.left()
        raise FetchError(Reason.CONNECT, f"{host} port {port}: {type(why).__name__}: {why}") from None

    def _checked(self, host: str, deadline: Deadline) -> list[str]:
        """Return the host's addresses, all of them checked: one that is refused refuses the host."""
        if why := why_refused_name(host):
            raise FetchError(Reason.REFUSED_ADDRESS, why)
        addresses = [host] if _is_address(host) else _within(deadline, self.resolve, host)
        for address in addresses:
            if why := why_refused(ip_address(address), self.opened):
                named = why if address == host else f"{host}: {why}"
                raise FetchError(Reason.REFUSED_ADDRESS, f"{named} (FETCH_ALLOW_NETWORKS opens networks)")
        return addresses


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _within(deadline: Deadline, resolve: Resolve, host: str) -> list[str]:
    """Resolve within the deadline: the system's resolver takes no timeout, so it gets a thread of its own."""
    answers: list[list[str] | Exception] = []
    answered = Event()

    def ask() -> None:
        try:
            answers.append(resolve(host))
        except (OSError, UnicodeError) as wrong:
            answers.append(wrong)
        finally:
            answered.set()

    Thread(target=ask, name="resolve", daemon=True).start()
    answered.wait(deadline.left() + GRACE_SECONDS)
    if not answers:
        deadline.left()
        raise FetchError(Reason.DNS, f"{host}: no answer from the resolver")
    if isinstance(answers[0], Exception) or not answers[0]:
        raise FetchError(Reason.DNS, f"{host}: {answers[0] or 'it has no address'}")
    return answers[0]


def _connect(address: str, port: int, deadline: Deadline) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(min(CONNECT_SECONDS, deadline.left() + GRACE_SECONDS))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection
