"""Ports on the loopback interface: are they free, and which are."""

import errno
import secrets
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from console.errors import WrongUsage

LOOPBACK = "127.0.0.1"
#: Of these a free one is taken: no system gives them to outgoing connections (Linux begins at 32768, all
#: others at 49152: RFC 6335 section 6), so none is lost between the look at it and the service's own bind.
FREE = range(20_000, 32_768)
TRIES = 100  #: ports looked at for a free one


def settle_ports(wanted: Mapping[str, tuple[int, str]]) -> dict[str, int]:
    """Return a port for each service: the one asked for, or a free one where 0 was asked.

    All are held until all are known, so that no two services get the same. Between this check and a
    service's own bind another program may take the port: the service's log then says so.

    Args:
        wanted: what the port is for → the port, and the option that chooses another.

    Raises:
        WrongUsage: naming every port that is in use or may not be used.
    """
    ports, complaints = dict[str, int](), list[str]()
    with ExitStack() as held:
        for purpose, (port, option) in wanted.items():
            try:
                ports[purpose] = held.enter_context(_hold(port)).getsockname()[1]
            except OSError as wrong:
                complaints.append(f"{_why(port, wrong)}; {purpose} needs it. Choose another with {option}.")
    if complaints:
        raise WrongUsage("\n".join(complaints))
    return ports


def free_port() -> int:
    """Return a port that nothing listens on, for a server that cannot choose one itself and say which."""
    with _hold(0) as held:
        return int(held.getsockname()[1])


def _hold(port: int) -> socket.socket:
    if port:
        return _listener(port)
    for _ in range(TRIES):
        with suppress(OSError):
            return _listener(secrets.choice(FREE))
    return _listener(0)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        # Linux lets two sockets with SO_REUSEADDR bind one port until one of them listens.
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _why(port: int, wrong: OSError) -> str:
    if wrong.errno == errno.EADDRINUSE:
        return f"Port {port} is in use"
    return f"Port {port} cannot be used ({wrong.strerror})"
