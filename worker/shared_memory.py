"""Creates what the processes of an instance share: the hosts' slots, and the lock that guards them.

gunicorn imports this module before it forks (worker/gunicorn_conf.py), so all processes get the same memory.
"""

import fcntl
import mmap
import os
import sys
import tempfile
from threading import Lock
from types import TracebackType

from worker.host_slots import MEMORY_BYTES, HostSlots


class InstanceLock:
    """A lock for all threads of all processes; the kernel releases the lock if its process is killed."""

    def __init__(self) -> None:
        # On Linux the lock is an unnamed file in memory, since an instance's disk may be read-only.
        self._file = os.memfd_create("lock") if sys.platform == "linux" else _unnamed_file()
        self._threads = Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


HOST_SLOTS = HostSlots(mmap.mmap(-1, MEMORY_BYTES), InstanceLock())  #: the same slots in every process
