"""Locks the directory in which a server keeps all of its data, for one process at a time."""

from pathlib import Path
from typing import IO

from localpubsub.errors import CannotStart
from localpubsub.file_lock import lock_file
from localpubsub.private_files import make_private_directory, private_opener


class DataDirectory:
    """An exclusive lock on a directory, which lasts until ``close``.

    Raises:
        CannotStart: the directory cannot be used, or another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            make_private_directory(path)
            self._lock: IO[str] = open(path / "lock", "w", opener=private_opener)  # noqa: SIM115 - `close` closes it
        except OSError as error:
            raise CannotStart(
                f"cannot use the data directory {path}: {error.strerror}. Choose another with --data."
            ) from error
        try:
            lock_file(self._lock)
        except OSError as error:
            self._lock.close()
            raise CannotStart(
                f"the data directory {path} is in use by another localpubsub. Stop that server, or "
                "choose another directory with --data."
            ) from error

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "pubsub.sqlite"

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()
