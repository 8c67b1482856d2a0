"""Runs faults, one system at a time, and judges each run."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import Random

from tests.journey.chaos.faults import FAULTS, Fault
from tests.journey.chaos.system import MAX_RUN_SECONDS, System, running_system
from tests.journey.chaos.verdict import Row, judge
from tests.repository.tree import ROOT

POLL_SECONDS = 0.2  #: pause between two looks at the system

#: Called with the number of jobs that have ended, and of faults that were injected.
Show = Callable[[int, int], None]


def show_nothing(ended: int, injected: int) -> None:
    """Show no progress."""
    del ended, injected


def run_fault(name: str, seed: int, jobs: int, data: Path, show: Show = show_nothing) -> Row:
    """Run one fault, and return its row.

    Args:
        name: name of the fault.
        seed: of the pages and of the faults.
        jobs: number of jobs.
        data: a directory for the queue, the ledger and the logs.
        show: called while the run lasts.
    """
    fault = FAULTS[name]
    row = Row(name, seed, command=command_of(name, seed, jobs), version=source_version())
    row.date = f"{datetime.now(UTC):%Y-%m-%d}"
    with running_system(data, fault.conditions, jobs, seed) as system:
        row.seconds = round(drive(system, fault, seed, show), 1)
        if not system.is_finished():
            row.findings.append(f"not finished after {MAX_RUN_SECONDS:g} s: {system.accounting()}")
        else:
            system.drain()
        judge(system, row, may_be_silent=fault.may_be_silent, expected_lines=fault.expected_lines)
    return row


def command_of(name: str, seed: int, jobs: int) -> str:
    """Return the command that repeats a run."""
    return f"python -m tests.journey.chaos --fault {name} --seed {seed} --jobs {jobs}"


def source_version() -> str:
    """Return the version of Scrapeq, and the commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=9", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{version('scrapeq')} {commit.stdout.strip()}".strip()


@contextmanager
def run_directory(keep: Path | None, name: str) -> Iterator[Path]:
    """Yield the directory of a run: a temporary one, or a new one below `keep`."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="scrapeq-chaos-", ignore_cleanup_errors=True) as directory:
            yield Path(directory)
    else:
        kept = keep.absolute() / name
        kept.mkdir(parents=True)
        yield kept


def drive(system: System, fault: Fault, seed: int, show: Show) -> float:
    """Dispatch the jobs, inject the faults, and wait until all jobs have ended; return the seconds."""
    injections = fault.inject(system.jobs)
    active = [inject(system, Random(f"{seed} {number}")) for number, inject in enumerate(injections)]
    began = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        try:
            # What an injection does before it first waits happens before the dispatch.
            active = [each for each in active if _continues(each)]
            system.start_dispatch(threads)
            while not system.is_finished() and time.monotonic() < began + MAX_RUN_SECONDS:
                active = [each for each in active if _continues(each)]
                show(system.accounting().ended, system.injected)
                time.sleep(POLL_SECONDS)
            seconds = time.monotonic() - began
        finally:
            system.abandon()
            for each in active:
                each.close()
    system.revive()
    return seconds


def _continues(injection: Generator[None]) -> bool:
    return next(injection, injection) is None
