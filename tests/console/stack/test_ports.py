"""Ports: what is taken is said before anything is started."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.errors import UsageError
from console.stack.ports import FREE_RANGE, LOOPBACK, allocate_ports
from tests.console.command import Scrapeq


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port that somebody listens on."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_said_with_what_chooses_another(
    scrapeq: Scrapeq, tmp_path: Path, taken: int
) -> None:
    """One sentence, status 2, and nothing started: which port, for what, and the option."""
    data = tmp_path / "data"
    free = ["--pubsub-port", 0, "--pubsub-http-port", 0, "--worker-port", 0]
    answer = scrapeq("up", "--data", data, "--dispatcher-port", taken, *free)
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"Port {taken} is in use; the dispatcher needs it. Choose another with --dispatcher-port.\n"
    )
    assert not data.exists()


def test_every_port_in_use_is_said_at_once(taken: int) -> None:
    """Whoever has two services in the way reads of both."""
    with pytest.raises(UsageError) as caught:
        allocate_ports({"one": (taken, "--one"), "two": (taken, "--two")})
    assert [line.split("; ")[1][:3] for line in str(caught.value).splitlines()] == ["one", "two"]


def test_zero_is_any_free_port_and_no_two_are_the_same() -> None:
    """Two services that are given free ports can both listen."""
    ports = allocate_ports({f"service {number}": (0, "--port") for number in range(20)})
    assert len(set(ports.values())) == 20
    assert set(ports.values()) <= set(FREE_RANGE), "one that an outgoing connection may be given meanwhile"
    for port in ports.values():
        with socket.create_server((LOOPBACK, port)):
            pass
