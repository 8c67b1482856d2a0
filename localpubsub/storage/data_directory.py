"""The directory in which a server keeps everything, for one process at a time."""

import fcntl
from pathlib import Path
from typing import IO

from localpubsub.errors import CannotStart


class DataDirectory:
    """An exclusive hold on a directory, until ``close``. CannotStart when another process has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (path / "lock").open("w")
        except OSError as error:
            raise CannotStart(
                f"cannot use the data directory {path}: {error.strerror}. Choose another with --data."
            ) from error
        try:
            # The kernel lets go when the process dies, however it dies: no stale lock needs clearing.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise CannotStart(
                f"the data directory {path} is in use by another localpubsub. Stop that one, or choose "
                "another directory with --data."
            ) from error

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "pubsub.sqlite"

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()
