"""The file of results: every measurement, with the machine and the versions."""

import json
import os
import platform
import re
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import environment
from benchmarks.peers.measure import Measurement
from benchmarks.peers.servers import SERVERS
from benchmarks.peers.systems import BARE, System


@dataclass
class Results:
    """The results of one comparison.

    Attributes:
        pages: number of pages of each measurement.
        machine: processor, number of cores, memory, kernel and Python.
        versions: version of each compared program.
        began: day of the first measurement.
        measurements: all measurements, in the order in which they were made.
    """

    pages: int
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    began: str = ""
    measurements: list[Measurement] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read a file of results."""
        document: dict[str, Any] = json.loads(path.read_text())
        measurements = [Measurement(**each) for each in document.pop("measurements")]
        return cls(measurements=measurements, **document)

    def write(self, path: Path) -> None:
        """Write the file; a reader, and an interruption, find the old file or the new one."""
        new = path.with_suffix(".new")
        document = asdict(self)
        lines = ",\n".join(f"  {json.dumps(each)}" for each in document.pop("measurements"))
        head = json.dumps(document, indent=1).removesuffix("\n}")
        new.write_text(f'{head},\n "measurements": [\n{lines}\n ]\n}}\n')
        new.replace(path)

    def add(self, measurement: Measurement) -> None:
        """Add a measurement."""
        self.began = self.began or datetime.now(UTC).date().isoformat()
        self.measurements.append(measurement)


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of a figure.

    Attributes:
        median: the median.
        low: the minimum.
        high: the maximum.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of some values, of which there is at least one."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])


def of(results: Results, system: str, delay_ms: int) -> list[Measurement]:
    """Return the measurements of a system for one delay."""
    return [each for each in results.measurements if (each.system, each.delay_ms) == (system, delay_ms)]


def ratios(results: Results, system: str, delay_ms: int, other: str = BARE) -> Spread | None:
    """Return the rate compared with that of another system in the same round; None if no round has both."""
    others = {(each.sweep, each.round): each.rate for each in of(results, other, delay_ms)}
    found = [
        each.rate / others[each.sweep, each.round]
        for each in of(results, system, delay_ms)
        if others.get((each.sweep, each.round))
    ]
    return Spread.of(found) if found else None


def machine() -> dict[str, str]:
    """Describe this machine."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{pages * size / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions(systems: Iterable[System]) -> dict[str, str]:
    """Return the versions of Scrapeq's sources, of the compared packages, and of the servers."""
    servers = {name for system in systems for name in system.servers if SERVERS[name].is_installed()}
    return {
        **environment.versions(),
        **{name: SERVERS[name].version() for name in sorted(servers)},
    }
