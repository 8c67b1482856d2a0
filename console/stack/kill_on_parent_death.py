"""Kills the local services when the `scrapeq` process that started them dies, even by SIGKILL.

A killed process cannot clean up, but the kernel closes its pipes. This program reads process group ids from
its standard input (`+123` started, `-123` ended). At the end of the input it kills the groups that still run.
It is run by path and imports only the standard library, so that it starts quickly.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 3.0  #: seconds between SIGTERM and SIGKILL
NO_SIGNAL = 0  #: signal number that only tests whether a group exists (kill(2))


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether the group exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS, for a group of zombies
        return False
    return True


def running_groups(lines: Iterable[str]) -> set[int]:
    """Read all lines; return the groups that were started and have not ended."""
    groups = set[int]()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait for the end of the input, then kill the groups that still run."""
    groups = running_groups(sys.stdin)
    until = time.monotonic() + GRACE_SECONDS
    for group in groups:
        signal_group(group, signal.SIGTERM)
    while time.monotonic() < until and any(signal_group(group, NO_SIGNAL) for group in groups):
        time.sleep(0.05)
    for group in groups:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
