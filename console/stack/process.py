"""One local service as a process in a group of its own, with its log in a file."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from console.errors import StackFailed
from console.stack import kill_on_parent_death
from console.stack.kill_on_parent_death import end_group
from console.stack.signals import uninterrupted

START_SECONDS = 60.0  #: for a service to answer its health check, on a machine that is busy
TAIL_BYTES = 16 * 1024  #: of a log, for its last lines


@dataclass(frozen=True)
class Launch:
    """How a service is started.

    Attributes:
        title: what it is called in sentences, after "the".
        command: program and arguments.
        environment: all of it; nothing is inherited.
        log: where standard output and standard error are appended.
        health_url: answers 200 once the service takes requests.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    health_url: str


class Leash:
    """Ends every service held by it when this process dies, even by SIGKILL (`kill_on_parent_death.py`)."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(  # noqa: S603 - our own file, by path
            [sys.executable, "-I", str(kill_on_parent_death.__file__)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def tie(self, group: int) -> None:
        """Hold a process group."""
        self._tell(f"+{group}")

    def untie(self, group: int) -> None:
        """Let a group go, because it has ended."""
        self._tell(f"-{group}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is still held, and the holder."""
        self._holder.communicate()

    def _tell(self, line: str) -> None:
        if self._holder.stdin is None:
            raise AssertionError("the leash was started with a pipe")
        with suppress(BrokenPipeError):  # without its holder a stack still runs, and still stops
            self._holder.stdin.write(line + "\n")
            self._holder.stdin.flush()


class Process:
    """A service that runs, or ran."""

    def __init__(self, launch: Launch, held_by: Leash) -> None:
        self.launch = launch
        self._leash = held_by
        self._is_gone = False
        # Between the start and the knot an interrupt would leave a process that nobody ends.
        with uninterrupted(), launch.log.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - the command is one of ours
                launch.command,
                env=dict(launch.environment),
                cwd=launch.log.parent,  # where no module of the operator's can be taken for one of ours
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            held_by.tie(self.pid)

    @property
    def pid(self) -> int:
        """The leader's process id, which is also the group's."""
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._popen.poll()

    def kill(self) -> None:
        """End the whole group with SIGKILL, as a crash would, and wait until its leader is gone."""
        if self._is_gone:
            return  # by now the number may be somebody else's
        end_group(self.pid, signal.SIGKILL)
        self._popen.wait()
        self._is_gone = True
        self._leash.untie(self.pid)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the leader, as Cloud Run does; return at once."""
        if self.exit_status is None:
            self._popen.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for the leader's end; return whether it came in time."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=seconds)
        return self.exit_status is not None

    def last_lines(self, count: int = 10) -> str:
        """Return the end of the log, indented."""
        with self.launch.log.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-count:]
        return "\n".join(f"    {line}" for line in lines)


def stop_together(processes: Sequence[Process], grace_seconds: float) -> None:
    """Ask all to stop, wait at most `grace_seconds` for all, then end whatever is left of their groups."""
    for process in processes:
        process.ask_to_stop()
    until = time.monotonic() + grace_seconds
    try:
        for process in processes:
            process.wait(max(0.0, until - time.monotonic()))
    finally:
        for process in processes:
            process.kill()


def await_health(process: Process) -> None:
    """Return once the service answers its health check.

    Raises:
        StackFailed: where it ends or does not answer in time, with the end of its log.
    """
    until = time.monotonic() + START_SECONDS
    with requests.Session() as session:
        session.trust_env = False  # no proxy on the loopback interface
        while not _is_healthy(session, process.launch.health_url):
            if (status := process.exit_status) is not None:
                raise StackFailed(describe_end(process, status))
            if time.monotonic() > until:
                late = f"The {process.launch.title} did not answer within {START_SECONDS:g} s."
                raise StackFailed(late + _log_end(process))
            time.sleep(0.05)


def describe_end(process: Process, status: int) -> str:
    """Return a sentence about a service that has ended, and the end of its log."""
    return f"The {process.launch.title} has ended ({how(status)}).{_log_end(process)}"


def how(status: int) -> str:
    """Return an exit status in words."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _is_healthy(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _log_end(process: Process) -> str:
    return f" The end of {process.launch.log}:\n{process.last_lines()}"
