"""Tests that functions run in children, which end at their limits of CPU time, memory and real time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from process_pool.limits import Limits
from process_pool.messages import MAX_ANSWER_BYTES
from process_pool.pool import (
    ChildDied,
    CpuLimitExceeded,
    DeadlineExceeded,
    FunctionRaised,
    Level,
    MemoryLimitExceeded,
    NoFreeProcess,
    ProcessPool,
    RealTime,
    ResultTooLarge,
)
from process_pool.processes import Child, ForkServerProcess
from tests.repository.tree import ROOT
from tests.servers.threads import threads_in
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

FUNCTION = "tests.process_pool.functions:run"
MIB = 1024 * 1024
SMALL = Level(2, Limits(cpu_seconds=0.3, memory_bytes=32 * MIB))
LARGE = Level(1, Limits(cpu_seconds=1.2, memory_bytes=256 * MIB, niceness=1))


@pytest.fixture(scope="module")
def server() -> ForkServerProcess:
    """A fork server, which ends with this process."""
    server = ForkServerProcess(FUNCTION)
    server.ensure_started()
    return server


@pytest.fixture
def pool(server: ForkServerProcess) -> Iterator[ProcessPool]:
    """A pool of a small and a large level."""
    pool = ProcessPool(server, [SMALL, LARGE])
    yield pool
    pool.close()


def call(pool: ProcessPool, action: str, argument: object = "", seconds: float = MAX_WAIT_SECONDS) -> bytes:
    """Call the test's function."""
    return pool.call(action.encode(), str(argument).encode(), RealTime(seconds))


def is_running(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_returns_the_result_and_is_used_again(pool: ProcessPool) -> None:
    """Five megabytes go to a child and come back, and the next request uses the same child."""
    body = os.urandom(5 * MIB)
    first = call(pool, "pid")
    assert pool.call(b"reverse", body, RealTime(MAX_WAIT_SECONDS)) == body[::-1]
    assert call(pool, "pid") == first != str(os.getpid()).encode()


def test_a_request_that_needs_more_runs_on_the_next_level(
    server: ForkServerProcess, pool: ProcessPool
) -> None:
    """More CPU time or more memory than the first level permits is found on the second, which is nicer."""
    assert call(pool, "burn", 0.6) == b"burnt"
    assert call(pool, "touch", 100 * MIB) == str(100 * MIB).encode()
    assert call(pool, "niceness") == b"0"
    only_large = ProcessPool(server, [LARGE])
    assert call(only_large, "niceness") == b"1"
    only_large.close()


def test_a_call_ends_at_the_last_limit_of_cpu_time(pool: ProcessPool) -> None:
    """The kernel kills the child; the error says what it did."""
    with pytest.raises(CpuLimitExceeded) as raised:
        call(pool, "burn", 600)
    assert raised.value.note == "doing burn"


@pytest.mark.parametrize("action", ["touch", "allocate", "exhaust"])
def test_a_call_ends_at_the_last_limit_of_memory(pool: ProcessPool, action: str) -> None:
    """A result that needed nearly as much memory as the limit, or more, is not returned."""
    with pytest.raises(MemoryLimitExceeded) as raised:
        call(pool, action, 220 * MIB if action == "touch" else 10_000 * MIB)
    assert raised.value.note == f"doing {action}"


def test_a_call_is_not_repeated_with_limits_that_are_no_larger(
    server: ForkServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a limit of memory, a level with only more CPU time is not tried, nor vice versa."""
    limits = [Limits(0.2, 32 * MIB), Limits(0.2, 64 * MIB), Limits(0.4, 64 * MIB)]
    pool = ProcessPool(server, [Level(1, each) for each in limits])
    starts, start_child = list[Limits](), server.start_child

    def start(limits: Limits) -> Child:
        starts.append(limits)
        return start_child(limits)

    monkeypatch.setattr(server, "start_child", start)
    with pytest.raises(MemoryLimitExceeded):
        call(pool, "touch", 200 * MIB)
    assert starts == [limits[0], limits[1]]
    starts.clear()
    with pytest.raises(CpuLimitExceeded):
        call(pool, "burn", 600)
    assert starts == [limits[0], limits[2]]
    pool.close()


def test_a_result_that_is_too_large_is_not_sent(server: ForkServerProcess) -> None:
    """A result over the maximum fails, and the child answers further requests."""
    pool = ProcessPool(server, [Level(1, Limits(60, 1024 * MIB))])
    first = call(pool, "pid")
    with pytest.raises(ResultTooLarge):
        call(pool, "fill", MAX_ANSWER_BYTES + 1)
    assert call(pool, "pid") == first
    pool.close()


def test_a_call_ends_at_its_deadline_and_kills_the_child(pool: ProcessPool) -> None:
    """A child that sleeps uses no CPU time, so only the deadline ends it."""
    seconds, note = 0.2, ""
    while not note and seconds < MAX_WAIT_SECONDS:  # on a busy machine, the child may not begin in time
        pid = int(call(pool, "pid"))
        with pytest.raises(DeadlineExceeded) as raised:
            call(pool, "sleep", 600, seconds=seconds)
        seconds, note = 2 * seconds, raised.value.note
    assert note == "doing sleep"
    wait_until(lambda: not is_running(pid), "the child was killed")


def test_a_call_that_waits_for_a_process_ends_at_its_deadline(
    server: ForkServerProcess, pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If all processes of the first level are taken, the call waits for one until its deadline."""
    children, start_child = list[Child](), server.start_child

    def start(limits: Limits) -> Child:
        children.append(start_child(limits))
        return children[-1]

    monkeypatch.setattr(server, "start_child", start)
    file = tmp_path / "file"
    with ThreadPoolExecutor() as threads:
        others = [threads.submit(call, pool, "wait for", file) for _ in range(SMALL.processes)]
        wait_until(lambda: len(children) == SMALL.processes, "all processes are taken")
        with pytest.raises(DeadlineExceeded) as raised:
            call(pool, "reverse", seconds=0.2)
        assert raised.value.note == ""
        file.touch()
        assert [other.result() for other in others] == [b"exists"] * SMALL.processes


class WaitingTime(RealTime):
    """A time that counts the waits for a process of a later level, and permits none to last."""

    def __init__(self) -> None:
        super().__init__(MAX_WAIT_SECONDS)
        self.waits = 0

    def remaining_wait(self) -> float:
        """See `CallTime`."""
        return 0.01

    def waiting(self) -> AbstractContextManager[object]:
        """See `CallTime`."""
        self.waits += 1
        return nullcontext()


def test_a_slow_request_waits_outside_of_its_own_time(pool: ProcessPool, tmp_path: Path) -> None:
    """While the process of the last level works, another call waits for it, and ends if none becomes free."""
    time, file = WaitingTime(), tmp_path / "file"
    with ThreadPoolExecutor() as threads:
        real_time = RealTime(2 * MAX_WAIT_SECONDS)
        working = threads.submit(pool.call, b"wait for", str(file).encode(), real_time, first_level=1)
        try:
            wait_until(lambda: _finds_no_process(pool, time), "the process of the last level is taken")
        finally:
            file.touch()
        assert working.result() == b"exists"
    assert time.waits == 1
    assert pool.call(b"reverse", b"abc", RealTime(MAX_WAIT_SECONDS), first_level=1) == b"cba"


def _finds_no_process(pool: ProcessPool, time: WaitingTime) -> bool:
    try:
        pool.call(b"pid", b"", time, first_level=1)
    except NoFreeProcess:
        return True
    return False


def test_a_bug_of_the_function_is_raised_with_its_trace(pool: ProcessPool) -> None:
    """The trace names the exception; the child answers further requests."""
    first = call(pool, "pid")
    with pytest.raises(FunctionRaised, match="ValueError: the function has a bug"):
        call(pool, "raise")
    assert call(pool, "pid") == first


def test_a_child_that_dies_is_replaced(pool: ProcessPool) -> None:
    """A request that kills its child ends; one whose idle child was killed does not notice it."""
    with pytest.raises(ChildDied) as raised:
        call(pool, "crash")
    assert raised.value.note == "doing crash"
    with ThreadPoolExecutor() as threads:
        pids = {int(pid) for pid in threads.map(lambda _: call(pool, "pid"), range(20))}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert call(pool, "reverse", "abc") == b"cba"


def test_a_call_whose_child_is_killed_from_outside_is_repeated(
    server: ForkServerProcess, tmp_path: Path
) -> None:
    """A request cannot cause SIGKILL, so the first one that is killed by it runs in another child."""
    pool = ProcessPool(server, [Level(1, Limits(60, 256 * MIB))])
    assert call(pool, "die once", tmp_path / "died") == b"survived"
    pool.close()


def test_a_child_that_has_grown_is_replaced_after_its_answer(pool: ProcessPool) -> None:
    """The memory of many requests does not add up, because a child that has grown ends."""
    first = int(call(pool, "pid"))
    assert call(pool, "touch", 16 * MIB) == str(16 * MIB).encode()
    assert int(call(pool, "pid")) != first
    wait_until(lambda: not is_running(first), "the child has ended")


def test_a_child_knows_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The children inherit no environment variables that may hold credentials."""
    monkeypatch.setenv("SECRET", "hidden")
    server = ForkServerProcess(FUNCTION)
    server.ensure_started()
    pool = ProcessPool(server, [SMALL])
    assert "SECRET" not in json.loads(call(pool, "environment"))
    pool.close()


def test_a_server_that_died_is_noticed_and_started_again() -> None:
    """A call raises OSError, and `ensure_started` starts another server, whose children work."""
    server = ForkServerProcess(FUNCTION)
    server.ensure_started()
    pool = ProcessPool(server, [SMALL])
    children = [int(call(pool, "pid"))]
    parent = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(children[0])]))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    pool.close()
    with pytest.raises(OSError):  # noqa: PT011 - which error it is depends on the moment
        call(pool, "pid")
    server.ensure_started()
    assert call(pool, "reverse", "abc") == b"cba"
    pool.close()


def test_a_server_that_dies_before_it_starts_a_child_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the idle child is dead, and the server dies with the order for another, a call raises OSError."""
    monkeypatch.setattr("process_pool.processes.EXIT_SECONDS", 0.1)  # the stopped server reports no exit
    server = ForkServerProcess(FUNCTION)
    server.ensure_started()
    pool = ProcessPool(server, [SMALL])
    child = int(call(pool, "pid"))
    parent = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(child)]))
    os.kill(parent, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    wait_until(
        lambda: ") Z" in Path(f"/proc/{child}/stat").read_text(encoding="utf-8"), "the child has ended"
    )
    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(call, pool, "pid")
        wait_until(lambda: bool(threads_in("receive_answer")), "the call waits for its answer")
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert isinstance(called.exception(), OSError)


USER = """
import os, signal
from process_pool.pool import Level, ProcessPool, RealTime
from process_pool.processes import ForkServerProcess
from process_pool.limits import Limits
server = ForkServerProcess("tests.process_pool.functions:run")
server.ensure_started()
pool = ProcessPool(server, [Level(1, Limits(600, 10**9))])
print(pool.call(b"pid", b"", RealTime(60)).decode(), flush=True)
pool.call(b"burn", b"600", RealTime(600))
"""


def test_children_end_with_the_process_that_uses_them() -> None:
    """If the process is killed, a child that works ends, too, and so does the fork server."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    with subprocess.Popen([sys.executable, "-c", USER], stdout=subprocess.PIPE, env=environment) as user:
        assert user.stdout is not None
        child = int(user.stdout.readline())
        parent = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(child)]))
        user.kill()
    wait_until(lambda: not is_running(child), "the child has ended")
    wait_until(lambda: not is_running(parent), "the fork server has ended")


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent
from process_pool.pool import CpuLimitExceeded, Level, ProcessPool, RealTime
from process_pool.processes import ForkServerProcess
from process_pool.limits import Limits
server = ForkServerProcess("tests.process_pool.functions:run")
server.ensure_started()
pool = ProcessPool(server, [Level(1, Limits(0.3, 10**9))])
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
gevent.spawn(tick)
try:
    pool.call(b"burn", b"600", RealTime(600))
except CpuLimitExceeded:
    print(len(ticks), pool.call(b"reverse", b"abc", RealTime(60)).decode())
"""


def test_greenlets_run_while_a_child_works() -> None:
    """The event loop of gevent goes on while a child burns CPU time."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    output = subprocess.check_output([sys.executable, "-c", GREENLETS], env=environment, text=True)
    ticks, result = output.split()
    assert int(ticks) > 5
    assert result == "cba"
