"""Facts about processes, from the system."""

import os
import subprocess
import time
from collections.abc import Callable


def wait_for(fact: Callable[[], bool], seconds: float = 30) -> None:
    """Return once `fact` holds."""
    until = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < until, "it did not become so in time"
        time.sleep(0.05)


def is_running(group: int) -> bool:
    """Return whether a process group has a member that is no zombie."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat="], check=True, capture_output=True, text=True, env={**os.environ}
    )
    return any(
        int(line.split()[0]) == group and not line.split()[1].startswith("Z")
        for line in listed.stdout.splitlines()
    )


def children_of(parent: int) -> set[int]:
    """Return the process groups that a process leads to: itself and all its descendants' groups."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid="], check=True, capture_output=True, text=True
    )
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    family, groups = {parent}, set[int]()
    while more := {pid for pid, ppid, _ in rows if ppid in family} - family:
        family |= more
        groups |= {pgid for pid, _, pgid in rows if pid in more}
    return groups
