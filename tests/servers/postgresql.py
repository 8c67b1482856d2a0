"""Runs a real PostgreSQL on a free port, with a new data directory; tests can kill it and start it again."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.peers.processes import Launcher
from benchmarks.peers.servers import SERVERS
from console.stack.process import ProcessWatcher
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until


@dataclass
class PostgresqlServer:
    """A running PostgreSQL.

    Attributes:
        url: the URL of its first database.
        launcher: started it.
        process: its process.
        databases: number of the databases that tests have created.
    """

    url: str
    launcher: Launcher
    process: subprocess.Popen[str]
    databases: int = 0

    def new_database(self) -> str:
        """Create a database whose texts are sorted by the rules of a language; return its URL."""
        self.databases += 1
        name = f"test{self.databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            statement = sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' "
                "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
            )
            connection.execute(statement.format(sql.Identifier(name)))
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def kill(self) -> None:
        """Kill all its processes with SIGKILL."""
        self.launcher.kill(self.process)

    def start(self) -> None:
        """Start it again after `kill`, with the same data."""
        self.process = self.launcher.restart(self.process)
        wait_until(self._accepts_clients, "PostgreSQL accepts clients")

    def _accepts_clients(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=5):
                return True
        except psycopg.Error:
            return False


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """Run PostgreSQL; skip the test if it is not installed."""
    server = SERVERS["postgresql"]
    if not server.is_installed():
        skip_or_fail(f"PostgreSQL is not installed: {server.installation}")
    # It runs as another user if the tests run as root, so it cannot read the directories of pytest.
    with tempfile.TemporaryDirectory() as name, ProcessWatcher() as watcher:
        directory = Path(name)
        directory.chmod(0o755)
        with Launcher(directory, watcher) as launcher:
            url = server.start(launcher)
            assert launcher.server is not None
            running = PostgresqlServer(url, launcher, launcher.server)
            wait_until(running._accepts_clients, "PostgreSQL accepts clients")  # noqa: SLF001 - the same module
            yield running
