"""Checks whether ports of the loopback interface are free, and chooses free ports."""

import errno
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from console.errors import UsageError

LOOPBACK = "127.0.0.1"
#: Range from which free ports are chosen. It lies below the ephemeral ranges (Linux begins at 32768, other
#: systems at 49152: RFC 6335 section 6), so no outgoing connection takes a chosen port before the service
#: binds it.
FREE_RANGE = range(20_000, 32_768)
MAX_TRIES = 100  #: maximum number of random ports to try; then the kernel chooses a port


def allocate_ports(wanted: Mapping[str, tuple[int, str]]) -> dict[str, int]:
    """Return a port for each purpose: the wanted one, or a free one instead of 0.

    All ports stay bound until all are chosen, so that two services never get the same port, and a free port
    is kept as `free_port` keeps it. Another program may still take a wanted port before the service binds
    it; then the service's log has the error.

    Args:
        wanted: for each purpose, the port and the command-line option that sets it.

    Raises:
        UsageError: some ports are in use or not permitted; the message names each of them.
    """
    ports, faults = dict[str, int](), list[str]()
    with ExitStack() as sockets:
        for purpose, (port, option) in wanted.items():
            try:
                bound = _listener(port) if port else _bind_free()
                sockets.callback(socket.socket.close if port else _keep, bound)
                ports[purpose] = bound.getsockname()[1]
            except OSError as error:
                faults.append(f"{_describe(port, error)}; {purpose} needs it. Choose another with {option}.")
    if faults:
        raise UsageError("\n".join(faults))
    return ports


def free_port() -> int:
    """Return a free port, for a server that cannot choose a port and report its number.

    On Linux no other call returns it until this process ends, also not while its server is stopped and
    started again: a socket stays bound to it. That socket does not listen, so connections are refused, and a
    server can bind the port, because both sockets have SO_REUSEADDR.
    """
    bound = _bind_free()
    port = int(bound.getsockname()[1])
    _keep(bound)
    return port


def _keep(bound: socket.socket) -> None:
    """Keep a port for its server on Linux; other systems share none, so it is free again."""
    if sys.platform == "linux":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.detach()  # its file stays open
    else:
        bound.close()


def _bind_free() -> socket.socket:
    for _ in range(MAX_TRIES):
        with suppress(OSError):
            return _bind(secrets.choice(FREE_RANGE))
    return _bind(0)


def _bind(port: int) -> socket.socket:
    """Bind a port that no other socket has: without SO_REUSEADDR, it is shared with none."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # With SO_REUSEADDR, a port with connections in TIME_WAIT counts as free. The servers set it, too.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        # The socket must also listen: with SO_REUSEADDR, Linux lets two sockets bind a port if none listens.
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _describe(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use"
    return f"Port {port} cannot be used ({error.strerror})"
