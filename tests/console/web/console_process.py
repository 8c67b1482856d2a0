"""Runs `scrapeq console` as a process, and sends requests to it as a browser would."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from console.stack.ports import free_port
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

TOKEN = "a-token-of-24-characters"


class ConsoleProcess:
    """A running console.

    Attributes:
        url: its address, without a slash at the end.
        port: its port.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **headers: str) -> requests.Response:
        """Request a path without cookies; no redirect is followed."""
        return requests.get(self.url + path, headers=headers, timeout=MAX_WAIT_SECONDS, allow_redirects=False)

    def terminate(self) -> int:
        """End it by SIGTERM, and return its exit status."""
        self._process.terminate()
        return self._process.wait(MAX_WAIT_SECONDS)

    def session(self, path: str = "/runs") -> "Session":
        """Return a session that has opened a screen."""
        return Session(self, path)


class Session:
    """The cookies of a browser, and the token of the form that it has opened.

    Attributes:
        token: the token of the session's forms; `""` if the screen has no form.
    """

    def __init__(self, console: ConsoleProcess, path: str) -> None:
        self._console = console
        self._session = requests.Session()
        self.token = self.read_token(path)

    def read_token(self, path: str) -> str:
        """Open a screen, and return the token of its form; `""` if it has none."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        return found[1] if found else ""

    def get(self, path: str) -> requests.Response:
        """Request a path."""
        return self._session.get(self._console.url + path, timeout=MAX_WAIT_SECONDS)

    def post(
        self, path: str, fields: Mapping[str, str | list[str]], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a form with the session's token, unless `fields` has another; no redirect is followed."""
        return self._session.post(
            self._console.url + path,
            data={"csrf_token": self.token, **fields},
            headers=dict(headers or {}),
            timeout=MAX_WAIT_SECONDS,
            allow_redirects=False,
        )


@contextmanager
def running_console(data: Path, *options: str, token: str = "", ledger: str = "") -> Iterator[ConsoleProcess]:
    """Serve the operator's page of a data directory until the block ends, with LEDGER if it is not empty."""
    port = free_port()
    command = [sys.executable, "-m", "console", "console", "--port", str(port), "--data", str(data), *options]
    environment = {**os.environ, "SCRAPEQ_CONSOLE_TOKEN": token, "no_proxy": "127.0.0.1"}
    environment["LEDGER"] = ledger
    environment.pop("PUBSUB_EMULATOR_HOST", None)
    with (data / "console.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
        )
    console = ConsoleProcess(port, process)

    def is_healthy() -> bool:
        assert process.poll() is None, (data / "console.log").read_text(encoding="utf-8")
        try:
            return console.get("/healthz").ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(is_healthy, "the console is healthy")
        yield console
    finally:
        with suppress(ProcessLookupError):  # a test has ended it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
