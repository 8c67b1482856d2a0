"""Checks which files and directories others than their owner can use."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask of this process, which child processes inherit, until the block ends."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(directory: Path) -> dict[str, str]:
    """Return the mode of each file and directory, from `directory` on, that group or others may use."""
    paths = [directory, *directory.rglob("*")]
    modes = {str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode) for path in paths}
    return {name: oct(mode) for name, mode in modes.items() if mode & 0o077}


def open_all(directory: Path) -> None:
    """Give group and others the permissions that they have with a usual umask."""
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
