"""Queries the operating system for running processes and open ports."""

import socket
import subprocess


def is_running(group: int) -> bool:
    """Return whether at least one process of a process group has not ended."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], check=True, capture_output=True, text=True)
    return any(
        int(line.split()[0]) == group and not line.split()[1].startswith("Z")
        for line in listed.stdout.splitlines()
    )


def descendant_groups(parent: int) -> set[int]:
    """Return the process groups of all descendants of a process."""
    family = descendants(parent)
    return {pgid for pid, _, pgid in _processes() if pid in family}


def descendants(parent: int) -> set[int]:
    """Return the process ids of all descendants of a process."""
    rows, family = _processes(), {parent}
    while more := {pid for pid, ppid, _ in rows if ppid in family} - family:
        family |= more
    return family - {parent}


def _processes() -> list[tuple[int, int, int]]:
    """Return the id, the parent's id and the group of each process."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid="], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [(int(pid), int(ppid), int(pgid)) for pid, ppid, pgid in rows]


def is_listening(port: int | None) -> bool:
    """Return whether some process accepts connections to this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port or 0), timeout=60).close()
    except ConnectionError:
        return False
    return True
