"""Runs a real Redis on a free port, with a new data directory; tests can kill it and start it again."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.peers.processes import Launcher
from benchmarks.peers.servers import SERVERS
from console.stack.ports import free_port
from console.stack.process import ProcessWatcher
from publishing.redis import wire
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

#: The settings with which Redis keeps each message that it has confirmed.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


@dataclass
class RedisServer:
    """A running Redis.

    Attributes:
        port: its port.
        launcher: started it.
        process: its process.
    """

    port: int
    launcher: Launcher
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - any reply of Redis
        """Run a command over a new connection, and return its reply."""
        connection = redis.Connection(port=self.port, protocol=2, socket_timeout=MAX_WAIT_SECONDS)
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            connection.disconnect()

    def new_topic(self) -> str:
        """Create a topic with one group, and return its name."""
        name = f"topic-{secrets.token_hex(4)}"
        self.run("XGROUP", "CREATE", name, "group", "0", "MKSTREAM")
        return name

    def messages(self, topic: str) -> list[wire.StoredMessage]:
        """Return the messages of a topic."""
        return [wire.read(fields) for _, fields in self.run("XRANGE", topic, "-", "+")]

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.launcher.kill(self.process)

    def start(self) -> None:
        """Start it again after `kill`, with the same data."""
        self.process = self.launcher.restart(self.process)
        wait_until(self._answers, "Redis answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"Redis has ended; its log is in {self.launcher.data}"
        with suppress(redis.RedisError):
            return bool(self.run("PING") == b"PONG")
        return False


def named(reply: list[Any]) -> dict[bytes, Any]:
    """Return names and values that Redis has returned in turn."""
    return dict(zip(reply[::2], reply[1::2], strict=True))


@contextmanager
def running_redis(directory: Path, *settings: str, port: int = 0) -> Iterator[RedisServer]:
    """Run Redis with its data in `directory`; skip the test if it is not installed.

    Args:
        directory: an existing directory.
        settings: options of its command line; those that make it durable if none are given.
        port: its port; 0 for a free one.
    """
    if not SERVERS["redis"].is_installed():
        skip_or_fail(f"Redis is not installed: {SERVERS['redis'].installation}")
    port = port or free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
    with ProcessWatcher() as watcher, Launcher(directory, watcher) as launcher:
        process = launcher.start([*command, "--save", "", *(settings or DURABLE)], {})
        server = RedisServer(port, launcher, process)
        wait_until(server._answers, "Redis answers")  # noqa: SLF001 - the same module
        yield server
