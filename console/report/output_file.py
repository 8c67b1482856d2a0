"""Writes a file as a whole or not at all, so that no program reads a half of it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from console.errors import UsageError


def write_whole(path: Path, lines: Iterable[str]) -> int:
    """Write lines, which have their ends, to a file, and return their number.

    The file is replaced once all lines are on disk. Until then, and if this fails or is interrupted, an
    existing file of this name stays as it is.

    Raises:
        UsageError: the file cannot be written, for example because the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            for line in lines:
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return count
