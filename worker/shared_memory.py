"""Creates what the processes of an instance share: the hosts' slots, and the memory of finished messages.

gunicorn imports this module before it forks (worker/gunicorn_conf.py), so all processes get the same memory.
"""

import fcntl
import mmap
import os
import sys
import tempfile
from threading import Lock
from types import TracebackType

from worker import finished, host_slots
from worker.finished import FinishedMessages
from worker.host_slots import HostSlots


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


#: The same slots in every process.
HOST_SLOTS = HostSlots(mmap.mmap(-1, host_slots.MEMORY_BYTES), InstanceLock())
#: The same messages in every process.
FINISHED_MESSAGES = FinishedMessages(mmap.mmap(-1, finished.MEMORY_BYTES), InstanceLock())
