"""Defines the limits of a child process, and sets them in the child."""

import json
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

#: A result is accepted only if the memory that was needed stays below this share of the limit. Near the limit
#: a library may have failed to allocate memory and may have dropped a part of the page without an error.
TRUSTED_SHARE = 0.8
#: A child that has grown by more than this share of its limit ends after its answer, so that memory which the
#: allocator keeps does not add up over many pages.
RECYCLED_SHARE = 0.4
USUAL_DATA_BYTES = 128 * 1024 * 1024  #: more than a child has at its start
#: ru_maxrss is in KiB on Linux and in bytes on macOS (getrusage(2)).
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Limits:
    """What a child may use for one request.

    Attributes:
        cpu_seconds: seconds of CPU time, after which the kernel kills the child.
        memory_bytes: bytes of memory beyond those that the child has at its start.
        niceness: how much the child gives way to other processes (`nice`, 0 to 19).
    """

    cpu_seconds: float
    memory_bytes: int
    niceness: int = 0

    def encode(self) -> bytes:
        """Return the limits as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Return the limits of a JSON text."""
        return cls(**json.loads(text))


def start_cpu_time(limits: Limits) -> None:
    """Begin to count the CPU time of a request; at the limit, SIGPROF ends the process."""
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)


def stop_cpu_time() -> None:
    """End the counting."""
    signal.setitimer(signal.ITIMER_PROF, 0)


class Memory:
    """The memory of this process since its start.

    Args:
        limits: the limits of this process.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._start = _peak()

    def restrict(self) -> None:
        """Let every allocation beyond the limit fail. Only Linux counts what RLIMIT_DATA limits."""
        if sys.platform != "linux":
            return
        limit = _data_bytes(Path("/proc/self/status").read_text(encoding="ascii")) + self._limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def is_exhausted(self) -> bool:
        """Whether so much memory was needed that the result cannot be trusted."""
        return self._growth() > TRUSTED_SHARE * self._limits.memory_bytes

    def has_grown(self) -> bool:
        """Whether this process should be replaced."""
        return self._growth() > RECYCLED_SHARE * self._limits.memory_bytes

    def _growth(self) -> int:
        return _peak() - self._start


def _data_bytes(status: str) -> int:
    """Return what RLIMIT_DATA counts of this process, by /proc/self/status (proc_pid_status(5)).

    A sandbox such as gVisor may not show it. Then an upper estimate is returned, so that the limit is higher.
    """
    sizes = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    return next(sizes, USUAL_DATA_BYTES)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
