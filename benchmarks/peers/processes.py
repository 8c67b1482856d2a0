"""Starts processes, and measures the processor time and the memory of all of them. Needs Linux."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from console.stack.process import ProcessWatcher

TICKS = os.sysconf("SC_CLK_TCK")
GRACE_SECONDS = 10
MEMORY_SECONDS = 1.0  #: seconds between two measurements of the memory
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt_orphans() -> None:
    """Become the parent of daemons that are started indirectly, so that `descendants` finds them."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int, excluded: frozenset[int] = frozenset()) -> list[int]:
    """Return the process ids of all processes below `root`, without `excluded` and what is below those."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - pathlib is too slow to be repeated during a measurement
        if entry.isdigit() and (found := _stat(int(entry))):
            children.setdefault(int(found[1]), []).append(int(entry))
    result, unseen = list[int](), list(children.get(root, []))
    while unseen:
        pid = unseen.pop()
        if pid not in excluded:
            result.append(pid)
            unseen += children.get(pid, [])
    return result


@contextmanager
def paused(pids: Iterable[int]) -> Iterator[None]:
    """Stop processes and all below them with SIGSTOP, and continue them after the block."""
    stopped = [each for pid in pids for each in (pid, *descendants(pid))]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time of processes and of their ended children, in seconds."""
    return sum(sum(map(int, found[11:15])) for pid in pids if (found := _stat(pid))) / TICKS


def memory_mib(pids: Iterable[int]) -> float:
    """Return the proportional set size (PSS) of processes: a shared page counts once in all."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def is_running(pid: int) -> bool:
    """Return whether a process has not ended; its parent need not have noticed its end."""
    found = _stat(pid)
    return bool(found) and found[0] not in "ZX"


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from field 3 on, see proc(5); none if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class PeakMemory:
    """The largest memory of all processes, and of the workers alone, in MiB, while the context runs."""

    def __init__(self, pids: Callable[[], list[int]], workers: Callable[[], list[int]]) -> None:
        self.all = 0.0
        self.workers = 0.0
        self._pids, self._workers = pids, workers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        while True:
            workers = self._workers()
            workers += [pid for worker in workers for pid in descendants(worker)]
            others = set(self._pids()).difference(workers)
            worker_memory = memory_mib(workers)
            self.workers = max(self.workers, worker_memory)
            self.all = max(self.all, worker_memory + memory_mib(others))
            if self._ended.wait(MEMORY_SECONDS):
                return


class Launcher:
    """Starts processes in groups of their own, and ends them with the block.

    Args:
        data: directory of the logs.
        watcher: ends the processes if this process is killed.
        is_durable: see below.

    Attributes:
        data: see above.
        is_durable: whether servers write each change to disk that would otherwise only write snapshots.
        server: the process of the broker or database, if the system has one.
    """

    def __init__(self, data: Path, watcher: ProcessWatcher, *, is_durable: bool = False) -> None:
        self.data = data
        self.is_durable = is_durable
        self.server: subprocess.Popen[str] | None = None
        self._watcher = watcher
        self._processes: list[subprocess.Popen[str]] = []
        self._ended = set[int]()
        self._starts = dict[int, Callable[[], subprocess.Popen[str]]]()

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str | None = None,
    ) -> subprocess.Popen[str]:
        """Start a process whose standard input is a pipe; its output goes to a log in `data`."""
        log = self.data / f"{len(self._processes)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                cwd=self.data,
                user=user,
            )
        self._watcher.watch(process.pid)
        self._processes.append(process)
        self._starts[process.pid] = lambda: self.start(command, environment, user=user)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a process and all below it with SIGKILL; return once all of them have ended.

        PostgreSQL and RabbitMQ do not start again while one of their old processes has not ended.
        """
        killed = [process.pid, *descendants(process.pid)]
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(map(is_running, killed)), "the killed processes have ended")
        self.forget(process)

    def restart(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """Start the command of a process that has ended again, with the same environment."""
        return self._starts[process.pid]()

    def check(self) -> None:
        """Raise if a process has ended.

        Raises:
            SystemExit: a process has ended; the message has its command and the end of its log.
        """
        for number, process in enumerate(self._processes):
            if process.pid not in self._ended and process.poll() is not None:
                log = (self.data / f"{number}.log").read_text(errors="replace")[-3000:]
                raise SystemExit(f"{process.args!r} ended with {process.returncode}:\n{log}")

    def forget(self, process: subprocess.Popen[str]) -> None:
        """Expect no longer that a process runs."""
        self._ended.add(process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            _end(process)
            self._watcher.unwatch(process.pid)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process group: SIGTERM, and SIGKILL after a grace period."""
    below = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()
    for pid in below:  # of other groups, for example the processes that RabbitMQ and PostgreSQL start
        _kill_adopted(pid)


def _kill_adopted(pid: int) -> None:
    """Kill a process if it is now a child of this one (see `adopt_orphans`), and forget it."""
    if (found := _stat(pid)) and int(found[1]) == os.getpid():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 240, pause: float = 0.05) -> None:
    """Wait for a condition.

    Raises:
        SystemExit: it does not hold after `seconds`; the message says `what`.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{what}: not after {seconds:g} s")
        time.sleep(pause)
