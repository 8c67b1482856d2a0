"""Runs the whole system under faults, and accounts for every job.

Example: python -m tests.journey.chaos --fault worker-killed --seed 7 --jobs 2000
"""

import argparse
import itertools
import random
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.stack.signals import raise_on_signals
from console.terminal import TextTable, open_terminal, print_line
from tests.journey.chaos.campaign import run_directory, run_fault
from tests.journey.chaos.faults import FAULTS
from tests.journey.chaos.records import write_rows
from tests.journey.chaos.verdict import Row
from tests.repository import reference_pages

COLUMNS = ("fault", "seed", "jobs", "lost", "twice", "refetched", "no reason", "healthy dead")
MIN_WIDTH = 130  #: width of the table, in characters, also where the output is no terminal
MORE_COLUMNS = ("by infrastructure", "faults", "seconds", "findings")


def main(arguments: list[str] | None = None) -> int:
    """Run the faults; return 1 if a promise was broken, and 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    terminal, rows = open_terminal(), list[Row]()
    names = list(FAULTS) if options.all else options.fault
    if not names:
        print_line(terminal, f"Name a fault, or --all. The faults are: {', '.join(FAULTS)}.")
        return 2
    seeds = [options.seed]
    if options.seeds:
        seeds = random.SystemRandom().sample(range(1_000_000), options.seeds)
    is_interrupted = False
    try:
        with raise_on_signals():
            for seed, name in itertools.product(seeds, names):
                rows.append(_run(name, seed, options, terminal))
                if options.record:
                    write_rows(rows[-1:])
                    reference_pages.write()
    except KeyboardInterrupt:
        is_interrupted = True
        print_line(terminal, f"Stopped: {len(rows)} of {len(seeds) * len(names)} runs have ended.")
    _show(rows, terminal)
    if is_interrupted:
        return 130
    return int(not all(row.holds for row in rows))


def _run(name: str, seed: int, options: argparse.Namespace, terminal: Console) -> Row:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    with (
        run_directory(options.keep, f"{name}-{seed}") as data,
        Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar,
    ):
        task = bar.add_task(f"{name}, seed {seed}", total=options.jobs, text="")
        row = run_fault(
            name,
            seed,
            options.jobs,
            data,
            lambda ended, injected: bar.update(task, completed=ended, text=f"{injected} faults"),
        )
    kept = "every promise kept" if row.holds else "A PROMISE WAS BROKEN"
    print_line(terminal, f"{name}, seed {seed}: {row.jobs} jobs in {row.seconds:g} s, {kept}")
    for finding in row.findings:
        print_line(terminal, f"  {finding}")
    return row


def _show(rows: list[Row], terminal: Console) -> None:
    table = TextTable()
    terminal.width = max(terminal.width, MIN_WIDTH)
    for column in (*COLUMNS, *MORE_COLUMNS):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for row in rows:
        numbers = (row.seed, row.jobs, row.lost, row.twice, row.refetched, row.unreasoned, row.healthy_dead)
        more = (row.infrastructure, row.injected, row.seconds, len(row.findings))
        table.add_texts(row.fault, *map(str, (*numbers, *more)))
    terminal.print(table)
    broken = [row for row in rows if not row.holds]
    print_line(terminal, f"{len(rows)} runs, {len(broken)} with a broken promise")
    for row in broken:
        print_line(terminal, f"  {row.command}")


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.journey.chaos",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--fault", action="append", choices=list(FAULTS), default=[], help="a fault; may be repeated")
    add("--all", action="store_true", help="run every fault")
    add("--seed", type=int, default=7, help="of the pages and the faults (default: %(default)s)")
    add("--seeds", type=int, default=0, metavar="N", help="run N fresh seeds instead")
    add("--jobs", type=int, default=200, help="jobs of each run (default: %(default)s)")
    add(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep the queues, the ledgers and the logs in new directories",
    )
    add("--record", action="store_true", help="record the rows in docs/, and renew docs/guarantees.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
