"""Calls a function in child processes, with limits that grow with what a request needs."""

import signal
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol

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


class CallTime(Protocol):
    """The time of one call."""

    def remaining(self) -> float:
        """Return the seconds that remain for the function; it may raise an exception if none do."""

    def remaining_wait(self) -> float:
        """Return for how many seconds the call may wait for a process."""

    def queueing(self) -> AbstractContextManager[object]:
        """Return a context in which the call waits for a process of the first level."""

    def waiting(self) -> AbstractContextManager[object]:
        """Return a context in which the call waits for a process of a later level."""


class RealTime:
    """A time that ends after some seconds, whatever the call does.

    Args:
        seconds: the seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._ends_at = monotonic() + seconds

    def remaining(self) -> float:
        """See `CallTime`."""
        return max(0.0, self._ends_at - monotonic())

    def remaining_wait(self) -> float:
        """See `CallTime`."""
        return self.remaining()

    def queueing(self) -> AbstractContextManager[object]:
        """See `CallTime`."""
        return nullcontext()

    def waiting(self) -> AbstractContextManager[object]:
        """See `CallTime`."""
        return nullcontext()


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


class NoFreeProcess(CallFailed):
    """No process became free in the time that the call may wait."""


class ChildDied(CallFailed):
    """The child died, of another cause than its limits.

    Attributes:
        code: its exit code; if a signal ended it, the negative number of the signal.
    """

    def __init__(self, note: str, code: int) -> None:
        super().__init__(note)
        self.code = code


class FunctionRaised(Exception):
    """The function raised an exception, which is a bug; the message has its stack trace."""


class ProcessPool:
    """Calls a function in the children of a fork server. Threads and greenlets may share a pool.

    A request first runs with the limits of the first level. If it needs more, it is killed and runs again on
    the next level that permits more of what it lacked, CPU time or memory. So requests that need little never
    wait for those that need much; in scheduling this is a multilevel feedback queue. A call waits for a
    process of the first level in `CallTime.queueing`, and for one of a later level in `CallTime.waiting`.

    Args:
        server: the fork server, which has been started.
        levels: the levels, from the smallest limits to the largest.
    """

    def __init__(self, server: ForkServerProcess, levels: Sequence[Level]) -> None:
        self._levels = [_Processes(server, level, is_first=not number) for number, level in enumerate(levels)]

    def call(self, request: bytes, body: bytes, time: CallTime, *, first_level: int = 0) -> bytes:
        """Return the function's result.

        Args:
            request: the function's first argument.
            body: the function's second argument.
            time: the time of the call.
            first_level: the number of the level to begin with, for a request that is known to need much.

        Raises:
            CallFailed: if there is no result because of a limit, or because the children died.
            FunctionRaised: if the function raised an exception.
            OSError: if the fork server has died.
        """
        levels = self._levels[first_level:]
        while True:
            tried, *levels = levels
            try:
                return tried.call(request, body, time)
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
        is_first: whether it is the first level.

    Attributes:
        limits: the limits of each process.
    """

    def __init__(self, server: ForkServerProcess, level: Level, *, is_first: bool) -> None:
        self.limits = level.limits
        self._server = server
        # Not a threading.Semaphore: its release() asks for a lock that it holds, for which gevent runs the
        # whole event loop, so it took 0.13 ms. One entry of this queue is the right to use one process.
        self._free = SimpleQueue[None]()
        for _ in range(level.processes):
            self._free.put(None)
        self._idle = deque[Child]()
        self._is_first = is_first

    def call(self, request: bytes, body: bytes, time: CallTime) -> bytes:
        """Call the function in one of the processes; see `ProcessPool.call`."""
        self._take_process(time)
        try:
            is_idle = bool(self._idle)
            child = self._idle.pop() if is_idle else self._server.start_child(self.limits)
            try:
                return self._call(child, request, body, time)
            except ChildDied as error:
                # An idle child may have died before it received the request, and no request sends SIGKILL.
                if not is_idle and error.code != -signal.SIGKILL:
                    raise
            try:
                return self._call(self._server.start_child(self.limits), request, body, time)
            except ChildDied:
                self._server.check_running()  # it may have died with the order for this child
                raise
        finally:
            self._free.put(None)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take_process(self, time: CallTime) -> None:
        with suppress(Empty):
            self._free.get_nowait()
            return
        if self._is_first and not time.remaining_wait():  # a call that may not wait spends its own time
            try:
                self._free.get(timeout=time.remaining())
            except Empty:
                raise DeadlineExceeded from None
            return
        is_taken = False
        try:
            with time.queueing() if self._is_first else time.waiting():
                self._free.get(timeout=time.remaining_wait())
                is_taken = True
        except Empty:
            raise (NoFreeProcess if time.remaining() else DeadlineExceeded) from None
        except BaseException:
            if is_taken:
                self._free.put(None)
            raise

    def _call(self, child: Child, request: bytes, body: bytes, time: CallTime) -> bytes:
        try:
            answer = child.call(request, body, max(0.001, time.remaining()))
        except TimeoutError:
            raise DeadlineExceeded(child.wait().note) from None
        except ChildExit as error:
            if error.code == -signal.SIGPROF:
                raise CpuLimitExceeded(error.note) from None
            if error.code == messages.OUT_OF_MEMORY_EXIT:
                raise MemoryLimitExceeded(error.note) from None
            raise ChildDied(error.note, error.code) from None
        except BaseException:
            child.close()  # the caller gave up, so nobody reads the answer
            raise
        return self._result(child, answer)

    def _result(self, child: Child, answer: Answer) -> bytes:
        if answer.kind in {messages.RESULT, messages.RAISED, messages.TOO_LARGE}:
            self._idle.append(child)
        if answer.kind == messages.LAST_RESULT:
            child.close()
        if answer.kind == messages.TOO_LARGE:
            raise ResultTooLarge
        if answer.kind == messages.RAISED:
            raise FunctionRaised(answer.payload.decode(errors="replace"))
        return answer.payload
