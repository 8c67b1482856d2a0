"""Calls a function in child processes, with limits that grow with what a request needs."""

import signal
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from process_pool import messages
from process_pool.limits import Limits
from process_pool.messages import Answer
from process_pool.processes import Child, ChildExit, ForkServerProcess


@dataclass(frozen=True)
class Level:
    """Some processes with the same limits.

    Attributes:
        processes: maximum number of processes.
        limits: the limits of each.
    """

    processes: int
    limits: Limits


class CallFailed(Exception):
    """The function did not return a result.

    Attributes:
        note: what it did last, in a few words.
    """

    def __init__(self, note: str = "") -> None:
        super().__init__(note)
        self.note = note


class CpuLimitExceeded(CallFailed):
    """The function needed more CPU time than the last level permits."""


class MemoryLimitExceeded(CallFailed):
    """The function needed more memory than the last level permits."""


class DeadlineExceeded(CallFailed):
    """There was no result in time: the function waited for a process, or was slow."""


class ResultTooLarge(CallFailed):
    """The result has more bytes than a child may send."""


class ChildDied(CallFailed):
    """The child died, of another cause than its limits.

    Attributes:
        signal: the number of the signal that ended it; 0 if it ended by itself.
    """

    def __init__(self, note: str = "", signal_number: int = 0) -> None:
        super().__init__(note)
        self.signal = signal_number


class FunctionRaised(Exception):
    """The function raised an exception, which is a bug; the message has its stack trace."""


class ProcessPool:
    """Calls a function in the children of a fork server. Threads and greenlets may share a pool.

    A request first runs with the limits of the first level. If it needs more, it is killed and runs again on
    the next level that permits more of what it lacked, CPU time or memory. So requests that need little never
    wait for those that need much; in scheduling this is a multilevel feedback queue.

    Args:
        server: the fork server, which has been started.
        levels: the levels, from the smallest limits to the largest.
    """

    def __init__(self, server: ForkServerProcess, levels: Sequence[Level]) -> None:
        self._levels = [_Processes(server, level) for level in levels]

    def call(self, request: bytes, body: bytes, seconds: float) -> bytes:
        """Return the function's result.

        Args:
            request: the function's first argument.
            body: the function's second argument.
            seconds: after as many seconds of real time the call ends.

        Raises:
            CallFailed: if there is no result because of a limit, or because the children died.
            FunctionRaised: if the function raised an exception.
            OSError: if the fork server has died.
        """
        deadline = monotonic() + seconds
        levels = self._levels
        while True:
            tried, *levels = levels
            try:
                return tried.call(request, body, deadline)
            except CpuLimitExceeded:
                levels = [each for each in levels if each.limits.cpu_seconds > tried.limits.cpu_seconds]
                if not levels:
                    raise
            except MemoryLimitExceeded:
                levels = [each for each in levels if each.limits.memory_bytes > tried.limits.memory_bytes]
                if not levels:
                    raise

    def close(self) -> None:
        """Kill the idle children."""
        for level in self._levels:
            level.close()


class _Processes:
    """The processes of one level.

    Args:
        server: see `ProcessPool`.
        level: the level.

    Attributes:
        limits: the limits of each process.
    """

    def __init__(self, server: ForkServerProcess, level: Level) -> None:
        self.limits = level.limits
        self._server = server
        self._free = threading.Semaphore(level.processes)
        self._idle = deque[Child]()

    def call(self, request: bytes, body: bytes, deadline: float) -> bytes:
        """Call the function in one of the processes; see `ProcessPool.call`."""
        if not self._free.acquire(timeout=max(0.0, deadline - monotonic())):
            raise DeadlineExceeded
        try:
            is_idle = bool(self._idle)
            child = self._idle.pop() if is_idle else self._server.start_child(self.limits)
            try:
                return self._call(child, request, body, deadline)
            except ChildDied as error:
                # An idle child may have died before it received the request, and no request sends SIGKILL.
                if not is_idle and error.signal != signal.SIGKILL:
                    raise
            return self._call(self._server.start_child(self.limits), request, body, deadline)
        finally:
            self._free.release()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _call(self, child: Child, request: bytes, body: bytes, deadline: float) -> bytes:
        try:
            answer = child.call(request, body, max(0.001, deadline - monotonic()))
        except TimeoutError:
            raise DeadlineExceeded(child.wait().note) from None
        except ChildExit as error:
            if error.signal == signal.SIGPROF:
                raise CpuLimitExceeded(error.note) from None
            raise ChildDied(error.note, error.signal) from None
        except BaseException:
            child.close()  # the caller gave up, so nobody reads the answer
            raise
        return self._result(child, answer)

    def _result(self, child: Child, answer: Answer) -> bytes:
        if answer.kind in {messages.RESULT, messages.RAISED, messages.TOO_LARGE}:
            self._idle.append(child)
        if answer.kind == messages.OUT_OF_MEMORY:
            raise MemoryLimitExceeded(child.wait().note)
        if answer.kind == messages.LAST_RESULT:
            child.close()
        if answer.kind == messages.TOO_LARGE:
            raise ResultTooLarge
        if answer.kind == messages.RAISED:
            raise FunctionRaised(answer.payload.decode(errors="replace"))
        return answer.payload
