"""Ports: those in use are reported before anything is started."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.errors import UsageError
from console.stack.ports import FREE_RANGE, LOOPBACK, allocate_ports
from tests.console.command import Scrapeq


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port on which a server listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_port_in_use_is_reported_with_the_option_that_changes_it(
    scrapeq: Scrapeq, tmp_path: Path, taken: int
) -> None:
    """One sentence with the port, its purpose and the option; exit status 2; nothing is started."""
    data = tmp_path / "data"
    free = ["--pubsub-port", 0, "--pubsub-http-port", 0, "--worker-port", 0]
    answer = scrapeq("up", "--data", data, "--dispatcher-port", taken, *free)
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"Port {taken} is in use; the dispatcher needs it. Choose another with --dispatcher-port.\n"
    )
    assert not data.exists()


def test_all_ports_in_use_are_reported_at_once(taken: int) -> None:
    """The message has a line for each port in use."""
    with pytest.raises(UsageError) as caught:
        allocate_ports({"one": (taken, "--one"), "two": (taken, "--two")})
    assert [line.split("; ")[1][:3] for line in str(caught.value).splitlines()] == ["one", "two"]


def test_port_zero_allocates_different_free_ports() -> None:
    """Every service that gets an allocated port can listen on it."""
    ports = allocate_ports({f"service {number}": (0, "--port") for number in range(20)})
    assert len(set(ports.values())) == 20
    assert set(ports.values()) <= set(FREE_RANGE), "a port that an outgoing connection may take meanwhile"
    for port in ports.values():
        with socket.create_server((LOOPBACK, port)):
            pass
