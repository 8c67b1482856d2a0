"""A function for the children of the tests: does what the request says."""

import json
import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from process_pool.child import Note

if TYPE_CHECKING:
    from collections.abc import Callable


#: Memory that remains in use when an exception has left the function, as that of a cache does.
_KEPT: list[object] = [None]


def run(request: bytes, body: bytes, note: Note) -> bytes:
    """Do what `request` names; some actions read their argument from `body`."""
    action = request.decode()
    note(f"doing {action}")
    actions: dict[str, Callable[[], bytes]] = {
        "reverse": lambda: body[::-1],
        "pid": lambda: str(os.getpid()).encode(),
        "niceness": lambda: str(os.nice(0)).encode(),
        "environment": lambda: json.dumps(sorted(os.environ)).encode(),
        "raise": _raise,
        "burn": lambda: _burn(float(body)),
        "allocate": lambda: str(len(bytearray(int(body)))).encode(),
        "touch": lambda: str(len(b"x" * int(body))).encode(),
        "exhaust": _exhaust,
        "fill": lambda: b"x" * int(body),
        "sleep": lambda: _sleep(float(body)),
        "wait for": lambda: _wait_for(Path(body.decode())),
        "crash": _crash,
        "die once": lambda: _die_once(Path(body.decode())),
    }
    return actions[action]()


def _raise() -> bytes:
    raise ValueError("the function has a bug")


def _crash() -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def _exhaust() -> bytes:
    """Use up the memory with objects of all small sizes, so that not even an answer can be created."""
    kept: tuple[object, ...] = ()
    for size in range(1024, -1, -8):
        with suppress(MemoryError):
            while True:
                kept = (kept, bytes(size))
                _KEPT[0] = kept
    raise MemoryError


def _die_once(marker: Path) -> bytes:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"survived"


def _sleep(seconds: float) -> bytes:
    time.sleep(seconds)
    return b"slept"


def _wait_for(file: Path) -> bytes:
    while not file.exists():
        time.sleep(0.01)
    return b"exists"


def _burn(seconds: float) -> bytes:
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    start = used()
    while used() - start < seconds:
        pass
    return b"burnt"
