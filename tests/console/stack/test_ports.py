"""Tests of ports: a port in use is reported before a service is started."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.errors import UsageError
from console.stack import ports
from console.stack.ports import FREE_RANGE, LOOPBACK, allocate_ports, free_port
from tests.console.command import Scrapeq


@pytest.fixture
def port_in_use() -> Iterator[int]:
    """Yield a port on which a server listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_port_in_use_is_reported_with_the_option_that_changes_it(
    scrapeq: Scrapeq, tmp_path: Path, port_in_use: int
) -> None:
    """The message has the port, its purpose and the option; the exit status is 2, and nothing is started."""
    data = tmp_path / "data"
    free = ["--pubsub-port", 0, "--pubsub-http-port", 0, "--worker-port", 0, "--console-port", 0]
    result = scrapeq("up", "--data", data, "--dispatcher-port", port_in_use, *free)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Port {port_in_use} is in use; the dispatcher needs it. Choose another with --dispatcher-port.\n"
    )
    assert not data.exists()


@pytest.mark.parametrize("option", ["--pubsub-port", "--pubsub-http-port"])
@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_port_of_pubsub_is_refused_with_another_broker(
    scrapeq: Scrapeq, tmp_path: Path, option: str, detach: list[str]
) -> None:
    """With --broker no local Pub/Sub runs, so an option for its ports is refused, and nothing is started."""
    data = tmp_path / "data"
    result = scrapeq("up", "--data", data, "--broker", "redis", option, 8085, *detach)
    assert result.exit_code == 2
    assert result.stderr == f"{option} is a port of the local Pub/Sub, which --broker replaces: omit it.\n"
    assert not data.exists()


def test_all_ports_in_use_are_reported_together(port_in_use: int) -> None:
    """If several ports are in use, the message has a line for each of them."""
    with pytest.raises(UsageError) as caught:
        allocate_ports({"one": (port_in_use, "--one"), "two": (port_in_use, "--two")})
    assert [line.split("; ")[1][:3] for line in str(caught.value).splitlines()] == ["one", "two"]


def test_port_zero_allocates_different_free_ports() -> None:
    """For port 0, different free ports are allocated, and a server can listen on each of them."""
    allocated = allocate_ports({f"service {number}": (0, "--port") for number in range(20)})
    assert len(set(allocated.values())) == 20
    assert set(allocated.values()) <= set(FREE_RANGE), "an outgoing connection may take such a port"
    for port in allocated.values():
        with socket.create_server((LOOPBACK, port)):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="other systems share no port with a socket that listens")
@pytest.mark.parametrize("choose", [free_port, lambda: allocate_ports({"service": (0, "--port")})["service"]])
def test_a_free_port_is_returned_once_and_its_server_can_start_again(
    choose: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else gets the port, also while its server does not run, and nothing but the server answers."""
    port = choose()
    monkeypatch.setattr(ports, "FREE_RANGE", [port])
    other = "import socket, sys; socket.socket().bind(('127.0.0.1', int(sys.argv[1])))"
    for _ in range(2):
        assert free_port() != port
        assert allocate_ports({"service": (0, "--port")})["service"] != port
        done = subprocess.run([sys.executable, "-c", other, str(port)], capture_output=True, check=False)
        assert b"Address already in use" in done.stderr
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port))
        with socket.create_server((LOOPBACK, port)), socket.create_connection((LOOPBACK, port)):
            pass
