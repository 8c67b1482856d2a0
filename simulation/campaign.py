"""Runs many seeds in several processes, with progress, and stops cleanly at Ctrl-C."""

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from simulation.seed_run import SeedResult, run_seed
from simulation.worker_process import install

CHUNK = 4  #: seeds that a process takes at a time
SHOWN_SEEDS = 500  #: after as many seeds a line is printed, if the output is no terminal


@dataclass
class Campaign:
    """The results of many seeds.

    Attributes:
        results: the result of each seed that has ended.
        is_interrupted: whether it was stopped before its end.
    """

    results: list[SeedResult] = field(default_factory=list)
    is_interrupted: bool = False

    @property
    def failures(self) -> list[SeedResult]:
        """The results with violations, ordered by seed."""
        return sorted((each for each in self.results if each.violations), key=lambda each: each.seed)


def run_campaign(seeds: range, processes: int, *, is_quiet: bool = False) -> Campaign:
    """Run all seeds; a failing seed is printed at once."""
    campaign = Campaign()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=is_quiet) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        try:
            for result in _results(seeds, processes):
                campaign.results.append(result)
                progress.advance(task)
                if not progress.console.is_terminal and len(campaign.results) % SHOWN_SEEDS == 0:
                    progress.console.print(f"{len(campaign.results)} seeds")
                for violation in result.violations[:3]:
                    progress.console.print(f"[red]seed {result.seed}[/red] {violation}", highlight=False)
        except KeyboardInterrupt:
            campaign.is_interrupted = True
    return campaign


def _results(seeds: Iterable[int], processes: int) -> Iterator[SeedResult]:
    if processes == 1:
        install()
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_start) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=CHUNK)


def _start() -> None:
    """Prepare a process: Ctrl-C ends the main process, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    install()
