"""Locks a file for one process: by ``fcntl`` on POSIX systems, by ``msvcrt`` on Windows."""

from importlib import import_module
from typing import IO


def lock_file(file: IO[str]) -> None:
    """Lock an open, empty file for this process until the file is closed or the process ends.

    The operating system releases the lock whenever the process ends, so a lock is never stale.

    Raises:
        OSError: another process holds the lock.
    """
    try:
        fcntl = import_module("fcntl")
    except ImportError:  # on Windows
        msvcrt = import_module("msvcrt")
        # One byte is locked; it may be beyond the end of the file
        # (https://learn.microsoft.com/cpp/c-runtime-library/reference/locking).
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
