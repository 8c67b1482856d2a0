"""Ends the local services when the `scrapeq` that started them is gone, however it went.

A killed process cleans nothing up, but the kernel closes its pipes. This small program reads process groups
from its standard input (`+123` started, `-123` ended); at the end of the input it ends those that are left.
It runs by path and imports only the standard library, so that it starts at once.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 3.0
NO_SIGNAL = 0  #: only asks whether the group is there (kill(2))


def end_group(group: int, sign: int) -> bool:
    """Signal a process group; return whether there was one."""
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS, where only zombies are left
        return False
    return True


def groups_left(lines: Iterable[str]) -> set[int]:
    """Read to the end which groups were started and which ended; return the difference."""
    left = set[int]()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            left.add(group)
        else:
            left.discard(group)
    return left


def main() -> None:
    """Wait for the end of the input, then end what is left."""
    left = groups_left(sys.stdin)
    until = time.monotonic() + GRACE_SECONDS
    for group in left:
        end_group(group, signal.SIGTERM)
    while time.monotonic() < until and any(end_group(group, NO_SIGNAL) for group in left):
        time.sleep(0.05)
    for group in left:
        end_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
