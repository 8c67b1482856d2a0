"""Reads what the processes of a service use, from /proc (Linux only)."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.servers.processes import descendants

MIB = 1024  #: KiB


class Usage(NamedTuple):
    """What all processes of a service use together.

    Attributes:
        memory: proportional set size, MiB: a page that n processes share counts as 1/n in each.
        descriptors: open file descriptors.
        threads: threads.
    """

    memory: float = 0.0
    descriptors: int = 0
    threads: int = 0


def usage_of(pid: int) -> Usage:
    """Return what a process and all its descendants use; a process that has just ended uses nothing."""
    read = [_read(Path(f"/proc/{each}")) for each in (pid, *descendants(pid))]
    return Usage(
        sum(each.memory for each in read),
        sum(each.descriptors for each in read),
        sum(each.threads for each in read),
    )


def _read(process: Path) -> Usage:
    with suppress(OSError):
        memory = _field(process / "smaps_rollup", "Pss:") / MIB
        descriptors = sum(1 for _ in (process / "fd").iterdir())
        return Usage(memory, descriptors, _field(process / "status", "Threads:"))
    return Usage()


def _field(file: Path, name: str) -> int:
    lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
