"""Reads the logs of the local services: their last lines, and what is appended to them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from console.stack.stack_file import is_running

BLOCK_BYTES = 64 * 1024  #: bytes of one read, from the end of a log
MAX_TAIL_BYTES = 64 * 1024 * 1024  #: maximum number of bytes that are read from the end of a log
MAX_LINE_BYTES = 64 * 1024  #: a longer line is cut
POLL_SECONDS = 0.2


class LogLine(NamedTuple):
    """A line of a service's log; `service` is the name of the log's file, for example `worker`."""

    service: str
    text: str


def log_files(data: Path) -> dict[str, Path]:
    """Return the logs in a data directory by the names of their services."""
    return {path.stem: path for path in sorted((data / "logs").glob("*.log"))}


def last_lines(path: Path, count: int) -> tuple[list[bytes], int]:
    """Return the last `count` complete lines of a file, and the offset after them."""
    with path.open("rb") as file:
        end = start = file.seek(0, 2)
        text = b""
        while start and text.count(b"\n") <= count and end - start < MAX_TAIL_BYTES:
            start = max(0, start - BLOCK_BYTES)
            file.seek(start)
            text = file.read(min(BLOCK_BYTES, end - start - len(text))) + text
    complete = text.rfind(b"\n") + 1
    lines = text[:complete].splitlines()
    return lines[len(lines) - min(count, len(lines)) :], start + complete


def read_logs(
    data: Path, services: list[str], count: int, *, follow: bool, sleep: Callable[[float], None] = time.sleep
) -> Iterator[LogLine]:
    """Yield the last lines of each service, and with `follow` new lines until the stack has ended.

    Args:
        data: the data directory.
        services: names of services, as in `log_files`.
        count: number of lines of each service.
        follow: whether to wait for new lines. A log that is replaced is read from its beginning.
        sleep: waits the given number of seconds.
    """
    paths = {name: data / "logs" / f"{name}.log" for name in services}
    offsets = dict.fromkeys(services, 0)
    for name, path in paths.items():
        if path.exists():
            lines, offsets[name] = last_lines(path, count)
            yield from (_line(name, line) for line in lines)
    while follow:
        goes_on = is_running(data)
        for name, path in paths.items():
            if path.exists():
                lines, offsets[name] = _new_lines(path, offsets[name])
                yield from (_line(name, line) for line in lines)
        if not goes_on:
            return
        sleep(POLL_SECONDS)


def _new_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Return the complete lines after an offset, at most one block of them, and the offset after them."""
    with path.open("rb") as file:
        if file.seek(0, 2) < offset:
            offset = 0
        file.seek(offset)
        text = file.read(MAX_LINE_BYTES)
    complete = text.rfind(b"\n") + 1 or (len(text) if len(text) == MAX_LINE_BYTES else 0)
    return text[:complete].splitlines(), offset + complete


def _line(service: str, text: bytes) -> LogLine:
    return LogLine(service, text[:MAX_LINE_BYTES].decode(errors="replace"))
