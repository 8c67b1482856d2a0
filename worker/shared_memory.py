"""What the processes of an instance share: memory and a lock.

Made when this is imported, which gunicorn does before it forks its processes (worker/gunicorn_conf.py).
"""

import fcntl
import mmap
import os
import sys
import tempfile
from threading import Lock
from types import TracebackType

from worker.host_slots import SIZE, Hosts


class InstanceLock:
    """Held by one thread of one process at a time, for moments; a process that is killed lets go."""

    def __init__(self) -> None:
        # A file without a name, in memory where there are such: an instance's disk may be read-only.
        self._file = os.memfd_create("lock") if sys.platform == "linux" else _unnamed()
        self._threads = Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()


def _unnamed() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


HOSTS = Hosts(mmap.mmap(-1, SIZE), InstanceLock())  #: calendars that are the same in every process
