"""Tests the connections to push endpoints: their addresses, errors and ends."""

import asyncio
import errno
import socket
from functools import partial
from typing import Any

import pytest

from localpubsub.open_files import is_out_of_resources
from localpubsub.push.connection import Connection, Endpoint
from localpubsub.push.tls import TlsContext
from tests.servers.push_endpoint import running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS

V4, V6 = socket.AF_INET, socket.AF_INET6
REFUSED, NO_FILES, NO_PORTS = errno.ECONNREFUSED, errno.EMFILE, errno.EADDRNOTAVAIL


class TwoAddresses(asyncio.SelectorEventLoop):
    """An event loop on which every host has the same addresses, some of which cannot be connected.

    ``addresses`` are (family, address, error number); the error number is 0 if the address can be reached.
    """

    addresses: tuple[tuple[socket.AddressFamily, str, int], ...] = ()

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:  # noqa: ANN401, ARG002 - types of the base class
        """Return the addresses of every host."""
        return [(family, socket.SOCK_STREAM, 6, "", (name, port)) for family, name, _ in self.addresses]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - type of the base class
        """Fail as the address must, or connect."""
        errors = {name: number for _, name, number in self.addresses}
        if number := errors[address[0]]:
            raise OSError(number, errno.errorcode[number])
        await super().sock_connect(sock, address)


def connect_error(*addresses: tuple[socket.AddressFamily, str, int]) -> OSError:
    """Return the error of a connection to a host with these addresses."""
    loop = TwoAddresses()
    loop.addresses = addresses
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the caller checks the error
            loop.run_until_complete(Endpoint("http://host:9/", TlsContext()).connect())
    finally:
        loop.close()
    return caught.value


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((V4, "127.0.0.1", REFUSED), (V4, "127.0.0.2", NO_FILES), True),
        ((V6, "::1", REFUSED), (V4, "127.0.0.1", NO_FILES), True),
        ((V6, "::1", REFUSED), (V4, "127.0.0.1", NO_PORTS), True),
        ((V6, "::1", NO_PORTS), (V4, "127.0.0.1", REFUSED), False),
        ((V4, "127.0.0.1", REFUSED), (V6, "::1", NO_PORTS), False),
        ((V6, "::1", NO_PORTS), (V6, "::2", NO_PORTS), True),
    ],
)
def test_error_of_this_machine_is_recognized_among_several_addresses(
    first: tuple[socket.AddressFamily, str, int],
    second: tuple[socket.AddressFamily, str, int],
    expected: bool,
) -> None:
    """The errors of several addresses are not mixed up: only those of this machine cost no attempt.

    EADDRNOTAVAIL of an IPv6 address may also mean that IPv6 is disabled.
    """
    assert is_out_of_resources(connect_error(first, second)) is expected


def test_second_address_is_used_if_the_first_cannot_be_reached() -> None:
    """An endpoint that listens on IPv4 only is reached by a name that has an IPv6 address first."""
    with running_endpoint() as endpoint:
        host, port = endpoint.url.removeprefix("http://").removesuffix("/push").split(":")
        loop = TwoAddresses()
        loop.addresses = ((V6, "::1", NO_PORTS), (V4, host, 0))
        to = Endpoint(f"http://host:{port}/", TlsContext())
        try:
            connection = loop.run_until_complete(to.connect())
            assert connection.usable
            to.close()
            loop.run_until_complete(asyncio.sleep(0))
        finally:
            loop.close()


class OpenConnections(set[Connection]):
    """A set that sets an event when a connection is removed from it."""

    def __init__(self, closed: asyncio.Event) -> None:
        super().__init__()
        self.closed = closed

    def discard(self, connection: object) -> None:
        """Remove a connection that is completely closed."""
        super().discard(connection)
        self.closed.set()


async def closed_after_early_response(head: bytes) -> int:
    """Post 20 MB to an endpoint that responds without reading them; return the status once it is closed."""
    silent = asyncio.Event()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a socket can pause
        writer.write(head)
        await silent.wait()
        writer.transport.abort()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    closed = asyncio.Event()
    open_connections = OpenConnections(closed)
    _, connection = await asyncio.get_running_loop().create_connection(
        partial(Connection, open_connections), "127.0.0.1", port
    )
    status = await connection.post(b"POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
    assert not connection.usable
    async with asyncio.timeout(MAX_WAIT_SECONDS):
        await closed.wait()
    silent.set()
    server.close()
    return status


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["close", "keep-alive"],
)
def test_connection_is_closed_if_the_endpoint_does_not_read_the_request(head: bytes) -> None:
    """A connection does not wait forever for an endpoint that has responded, but reads nothing."""
    assert asyncio.run(closed_after_early_response(head)) == 413
