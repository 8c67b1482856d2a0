"""Measures one system once: jobs per second, processor time, memory, and whether it did what it should."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.processes import Launcher, PeakMemory, cpu_seconds, descendants, wait_until
from benchmarks.peers.running import Running
from benchmarks.peers.site import Site
from benchmarks.peers.systems import System
from console.stack.process import ProcessWatcher

WARM_UP_PAGES = 100  #: pages that each system scrapes before the measurement
MAX_SECONDS = 45  #: a measurement ends then, also if jobs are left
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Measurement:
    """One measurement of one system.

    Attributes:
        system: name of the system.
        delay_ms: delay of the pages in milliseconds.
        sweep: number of the sweep, from 1.
        round: number of the round in its sweep, from 1.
        pages: number of jobs that the system got.
        done: number of jobs that were done when the measurement ended.
        seconds: duration, from before the first job was sent until the last result was stored.
        cpu_seconds: processor time of all processes of the system, without the site, in seconds.
        memory_mib: largest memory (PSS) of all processes of the system, in MiB.
        worker_memory_mib: largest memory (PSS) of the workers and their children, in MiB.
        twice: number of jobs that were scraped more than once.
        headings: number of headings in all results.
        links: number of links in all results.
        load: load average before the measurement.
        pushing_cpu_seconds: processor time of what pushes messages to the workers, in seconds: localpubsub,
            which is also the broker, or the relays; 0 if the workers fetch them.
    """

    system: str
    delay_ms: int
    sweep: int
    round: int
    pages: int
    done: int
    seconds: float
    cpu_seconds: float
    memory_mib: float
    worker_memory_mib: float
    twice: int
    headings: int
    links: int
    load: float
    pushing_cpu_seconds: float = 0

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What identifies a measurement among all."""
        return self.system, self.delay_ms, self.sweep, self.round

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.done / self.seconds

    @property
    def cpu_per_1000(self) -> float:
        """Processor time in seconds per 1,000 jobs."""
        return 1000 * self.cpu_seconds / max(1, self.done)

    @property
    def push_microseconds(self) -> float:
        """Processor time of what pushes, in microseconds per job."""
        return 1e6 * self.pushing_cpu_seconds / max(1, self.done)


@dataclass(frozen=True)
class Plan:
    """What is measured next.

    Attributes:
        system: the system.
        delay_ms: delay of the pages in milliseconds.
        sweep: number of the sweep, from 1.
        round: number of the round in its sweep, from 1.
    """

    system: System
    delay_ms: int
    sweep: int
    round: int

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What identifies the measurement among all."""
        return self.system.name, self.delay_ms, self.sweep, self.round


def measure(
    plan: Plan, site: Site, pages: int, watcher: ProcessWatcher, progress: Callable[[str], None]
) -> Measurement:
    """Start a system, warm it up, measure it and end it; `progress` is called with a text about each step."""
    load = os.getloadavg()[0]
    progress("starting")
    before_start = frozenset(descendants(os.getpid()))  # the site and the process watcher

    def pids() -> list[int]:
        return descendants(os.getpid(), before_start)

    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user
        with (
            Launcher(Path(directory), watcher) as launcher,
            plan.system.start(launcher, plan.delay_ms) as running,
        ):
            progress("warming up")
            warm_up(running, site.urls(plan.delay_ms, min(pages, WARM_UP_PAGES), "?warm-up"))
            urls = site.urls(plan.delay_ms, pages)
            with PeakMemory(pids, running.worker_pids) as memory:
                cpu_before, started = cpu_seconds(pids()), time.monotonic()
                pushing_before = cpu_seconds(running.pushing_pids())
                running.enqueue(urls)
                done = running.done()
                while done < len(urls) and time.monotonic() - started < MAX_SECONDS:
                    progress(f"{done} of {len(urls)} jobs")
                    time.sleep(POLL_SECONDS)
                    done = running.done()
                seconds = time.monotonic() - started
                cpu = cpu_seconds(pids()) - cpu_before
                pushing = cpu_seconds(running.pushing_pids()) - pushing_before
            results = list(running.results())
    return Measurement(
        *plan.key,
        pages=len(urls),
        done=done,
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu, 2),
        memory_mib=round(memory.all, 1),
        worker_memory_mib=round(memory.workers, 1),
        twice=len(results) - len({each.url for each in results}),
        headings=sum(each.headings for each in results),
        links=sum(each.links for each in results),
        load=round(load, 2),
        pushing_cpu_seconds=round(pushing, 2),
    )


def warm_up(running: Running, urls: list[str]) -> None:
    """Let a system scrape some pages, so that all its processes have started and imported what they need."""
    running.enqueue(urls)
    wait_until(lambda: running.done() == len(urls), "the warm-up pages are scraped")
