"""Waits until a file is saved."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

POLL_SECONDS = 0.3

_State = tuple[int, int, int] | None


def saves(paths: Iterable[Path], sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Return an endless iterator, which yields when a file has changed since the call and all exist.

    Editors may write into a file or replace it by another; both are noticed. Polling needs no library of the
    operating system, and also works in network and container file systems, which report no changes.

    Args:
        paths: the files.
        sleep: waits the given number of seconds.
    """
    watched = list(paths)
    return _saves(watched, [_state(path) for path in watched], sleep)


def _saves(watched: list[Path], seen: list[_State], sleep: Callable[[float], None]) -> Iterator[None]:
    while True:
        sleep(POLL_SECONDS)
        now = [_state(path) for path in watched]
        if now != seen and None not in now:
            seen = now
            yield


def _state(path: Path) -> _State:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
