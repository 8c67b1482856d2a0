"""Reads the processes below another one, their niceness and their memory, as Linux shows them in /proc."""

import subprocess
from typing import NamedTuple


class Process(NamedTuple):
    """A process that runs.

    Attributes:
        pid: its process id.
        parent: the process id of its parent.
        niceness: how much it gives way to others.
        memory_kib: its resident memory in KiB.
        command: its command line.
    """

    pid: int
    parent: int
    niceness: int
    memory_kib: int
    command: str


def descendants(pid: int) -> list[Process]:
    """Return the processes below a process that have not ended, parents before their children."""
    command = ["ps", "-ww", "-e", "-o", "pid=,ppid=,ni=,rss=,stat=,args="]
    processes = list[Process]()
    for line in subprocess.check_output(command, text=True).splitlines():
        number, parent, niceness, memory, state, arguments = line.split(None, 5)
        if not state.startswith("Z") and niceness != "-":
            processes.append(Process(int(number), int(parent), int(niceness), int(memory), arguments))
    found, below = list[Process](), {pid}
    while children := [each for each in processes if each.parent in below]:
        found += children
        below = {each.pid for each in children}
    return found


def fork_server(pid: int) -> Process:
    """Return the fork server below a process."""
    [server] = [
        each for each in descendants(pid) if "process_pool.fork_server" in each.command and each.parent == pid
    ]
    return server


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
