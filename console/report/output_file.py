"""Writes a file as a whole or not at all, so that no program reads a half of it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from console.errors import UsageError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which has the name `path` once the block has ended without an exception.

    Until then, and if the block fails or is interrupted, an existing file of this name stays as it is.

    Raises:
        UsageError: the file cannot be written, for example because the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_whole(path: Path, lines: Iterable[str]) -> int:
    """Write lines, which have their ends, to a file as by `whole_file`, and return their number."""
    count = 0
    with whole_file(path) as file:
        for line in lines:
            file.write(line.encode(errors="replace"))
            count += 1
    return count
