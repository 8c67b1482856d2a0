"""Creates files and directories that only their owner can read, whatever the umask is.

They contain URLs, scraped items and logs. What an earlier version created with the permissions of the umask
is restricted when it is opened. `localpubsub/private_files.py` has the same functions, because localpubsub
and the console do not import each other.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Create a directory, and missing directories above it, with mode 0700; restrict an existing one.

    Raises:
        OSError: the directory cannot be created.
    """
    if not path.parent.exists():
        make_private_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _restrict(path)


def make_private_file(path: Path) -> None:
    """Create a file with mode 0600 if it is missing; restrict an existing one.

    Another program, such as SQLite, can then write the file. SQLite gives the files beside its database the
    mode of the database.

    Raises:
        OSError: the file cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    _restrict(path)


def private_opener(path: str, flags: int) -> int:
    """Open a file, which is created with mode 0600 or restricted to it: the `opener` of `open`."""
    descriptor = os.open(path, flags, 0o600)
    _restrict(Path(path))
    return descriptor


def replace_private_file(path: Path, content: bytes) -> None:
    """Replace a file by one with mode 0600 and this content; a reader sees the old content or the new one.

    Raises:
        OSError: the file cannot be written; the old one stays as it is.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb", opener=private_opener) as file:
            file.write(content)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def _restrict(path: Path) -> None:
    """Take the permissions of group and others away.

    A directory that all users share, as /tmp, keeps its permissions, and so does what another user owns.
    Windows has no such permissions: there, files inherit the access list of the user's directory.
    """
    if not hasattr(os, "geteuid"):
        return
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 and status.st_uid == os.geteuid() and not mode & stat.S_ISVTX:
        path.chmod(mode & ~0o077)
