"""Runs a local service in its own process group, and writes its log to a file."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from console.errors import StackError
from console.private_files import private_opener
from console.stack import kill_on_parent_death
from console.stack.kill_on_parent_death import signal_group
from console.stack.signals import defer_signals
from console.stack.tcp_probe import TcpProbe

if TYPE_CHECKING:
    from requests import Session

START_TIMEOUT_SECONDS = 180.0  #: seconds until a service must be healthy; long enough for busy machines
POLL_SECONDS = 0.02  #: pause between two queries whether a process has ended
MAX_TAIL_BYTES = 16 * 1024  #: maximum number of bytes that are read from a log at once


@dataclass(frozen=True)
class Launch:
    """How a service is started.

    Attributes:
        title: name of the service in messages, without "the", for example `dispatcher`.
        command: program and arguments.
        environment: all environment variables of the service; it inherits no others.
        log: file to which standard output and standard error are appended.
        health_url: URL that responds with 200 when the service is ready; `""` if it has none.
        probe: is answered when a service that does not speak HTTP is ready.
        ready_text: text that the service logs when it is ready, if it listens to no port.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    health_url: str = ""
    probe: TcpProbe | None = None
    ready_text: str = ""


class ProcessWatcher:
    """Kills the watched process groups if this process dies, even by SIGKILL (`kill_on_parent_death.py`)."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(  # noqa: S603 - runs a file of this package
            [sys.executable, "-I", str(kill_on_parent_death.__file__)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Watch a process group."""
        self._send(f"+{group}")

    def unwatch(self, group: int) -> None:
        """Stop watching a process group that has ended."""
        self._send(f"-{group}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the groups that are still watched, and end the helper process."""
        self._helper.communicate()

    def _send(self, line: str) -> None:
        if self._helper.stdin is None:
            raise AssertionError("the helper process was started with a pipe")
        with suppress(BrokenPipeError):  # without the helper the stack still runs and can be stopped
            self._helper.stdin.write(line + "\n")
            self._helper.stdin.flush()


class Process:
    """A service that was started; it may have ended since.

    Args:
        launch: how to start the service.
        watcher: kills the service if the current process dies.

    Attributes:
        launch: as given.
    """

    def __init__(self, launch: Launch, watcher: ProcessWatcher) -> None:
        self.launch = launch
        self._watcher = watcher
        self._is_killed = False
        # Signals are deferred: one between the start and `watch` would leave a process that nothing ends.
        with defer_signals(), open(launch.log, "ab", opener=private_opener) as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(  # noqa: S603 - runs a service of this project
                launch.command,
                env=dict(launch.environment),
                cwd=launch.log.parent,  # so that files in the operator's directory cannot shadow our modules
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            watcher.watch(self.pid)

    @property
    def pid(self) -> int:
        """Process id of the group's leader, which is also the group's id."""
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status of the group's leader: None while it runs, -N if signal N ended it."""
        # Popen takes a lock. A KeyboardInterrupt before the lock is released would leave it locked for ever.
        with defer_signals():
            return self._popen.poll()

    def kill(self) -> None:
        """Send SIGKILL to the whole group, as in a crash, and wait until its leader has ended."""
        if self._is_killed:
            return  # another group may have the same id by now
        signal_group(self.pid, signal.SIGKILL)
        self.wait(inf)
        self._is_killed = True
        self._watcher.unwatch(self.pid)

    def terminate(self) -> None:
        """Send SIGTERM to the leader, as Cloud Run does; return without waiting."""
        if self.exit_status is None:
            self._popen.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait until the leader ends; return whether it ended within `seconds`."""
        until = time.monotonic() + seconds
        while self.exit_status is None:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def has_logged(self, text: str) -> bool:
        """Return whether the log has a text since the start of the process."""
        with self.launch.log.open("rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read(MAX_TAIL_BYTES)

    def last_lines(self, count: int = 10) -> str:
        """Return the last `count` lines of the log, indented."""
        with self.launch.log.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - MAX_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-count:]
        return "\n".join(f"    {line}" for line in lines)


def stop_all(processes: Sequence[Process], grace_seconds: float) -> None:
    """Send SIGTERM to all processes; after at most `grace_seconds`, kill all that remains of their groups."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + grace_seconds
    try:
        for process in processes:
            process.wait(max(0.0, until - time.monotonic()))
    finally:
        for process in processes:
            process.kill()


def wait_until_healthy(process: Process) -> None:
    """Return when the service is healthy.

    Raises:
        StackError: the service ended or was not healthy in time; the message has the end of its log.
    """
    until = time.monotonic() + START_TIMEOUT_SECONDS
    import requests  # noqa: PLC0415 - a slow import, which only commands that start services need

    with requests.Session() as session:
        session.trust_env = False  # a proxy must not be used for the loopback interface
        while not _is_healthy(session, process):
            if (status := process.exit_status) is not None:
                raise StackError(describe_exit(process, status))
            if time.monotonic() > until:
                raise StackError(
                    f"The {process.launch.title} did not become healthy within {START_TIMEOUT_SECONDS:g} s."
                    f"{_log_end(process)}"
                )
            time.sleep(0.05)


def describe_exit(process: Process, status: int) -> str:
    """Return a message about a service that has ended, with the end of its log."""
    return f"The {process.launch.title} has ended ({describe_status(status)}).{_log_end(process)}"


def describe_status(status: int) -> str:
    """Return an exit status in words."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _is_healthy(session: "Session", process: Process) -> bool:
    launch = process.launch
    if launch.probe is not None:
        return launch.probe.is_answered()
    if launch.ready_text:
        return process.has_logged(launch.ready_text)
    try:
        return session.get(launch.health_url, timeout=2).status_code == 200
    except OSError:  # the base class of the exceptions of requests
        return False


def _log_end(process: Process) -> str:
    return f" The end of {process.launch.log}:\n{process.last_lines()}"
