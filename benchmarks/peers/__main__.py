"""Compare Scrapeq with other queues: `make bench-peers`, or `python -m benchmarks.peers`.

Every system scrapes the same pages in turn. Without --only all of them are measured, and the results are
written to benchmarks/peers/results.json after each measurement: if the command is interrupted, it continues
where it was when it is started again. At its end it writes the tables and the chart of the documentation.

Example: python -m benchmarks.peers --only scrapeq,dramatiq-rabbitmq --rounds 3
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.peers import environment, publish, report
from benchmarks.peers.measure import Measurement, Plan, measure
from benchmarks.peers.processes import adopt_orphans
from benchmarks.peers.results import Results, machine, versions
from benchmarks.peers.site import PAGES, running_site
from benchmarks.peers.systems import ALL, BARE, SYSTEMS, System
from console.errors import StackError
from console.stack.process import ProcessWatcher


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not measured yet, and print the tables."""
    chosen = parse(arguments)
    results = read_results(chosen)
    failures = list[str]()
    if not chosen.report:
        environment.install()
        adopt_orphans()
        try:
            failures = run(results, chosen)
        except KeyboardInterrupt:
            sys.exit("\ninterrupted; the same command continues" if chosen.results else "\ninterrupted")
    if chosen.results == publish.RESULTS:
        publish.publish(results)
    print("\n" + report.conditions(results))
    print("\n" + report.rate_table(results))
    print("\n" + report.cost_table(results))
    if table := report.push_table(results):
        print("\n" + table)
    if failures:
        sys.exit("\nThese measurements failed; the same command tries them again:\n" + "\n".join(failures))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options.

    Raises:
        SystemExit: an option is not valid; the message says which.
    """
    head, _, example = (__doc__ or "").partition("Example: ")
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=head, epilog=f"Example: {example}"
    )
    options.add_argument(
        "--only", default="", help=f"systems, separated by commas or spaces: {', '.join(SYSTEMS)}"
    )
    options.add_argument("--sweeps", type=int, help="number of sweeps (3; with --only 1)")
    options.add_argument("--rounds", type=int, help="number of rounds in each sweep (5; with --only 1)")
    options.add_argument("--pages", type=int, default=PAGES, help=f"number of pages (at most {PAGES})")
    options.add_argument(
        "--delays", default="0,200", help="delays of the pages in milliseconds: 0,200 or one of them"
    )
    options.add_argument("--results", type=Path, help="file of results; without --only it is results.json")
    options.add_argument(
        "--report", action="store_true", help="measure nothing, write and print the tables of the results"
    )
    chosen = options.parse_args(arguments)
    chosen.only = chosen.only.replace(",", " ").split()
    if unknown := [name for name in chosen.only if name not in SYSTEMS]:
        options.error(f"--only: no system is named {', '.join(unknown)}; choose from {', '.join(SYSTEMS)}")
    if not 1 <= chosen.pages <= PAGES:
        options.error(f"--pages must be between 1 and {PAGES}")
    if not set(chosen.delays.split(",")) <= {"0", "200"}:
        options.error("--delays must be 0, 200 or 0,200")
    chosen.delays = [int(delay) for delay in chosen.delays.split(",")]
    chosen.sweeps = chosen.sweeps or (1 if chosen.only else 3)
    chosen.rounds = chosen.rounds or (1 if chosen.only else 5)
    if chosen.results is None and not chosen.only:
        chosen.results = publish.RESULTS
    return chosen


def read_results(chosen: argparse.Namespace) -> Results:
    """Return the results so far.

    Raises:
        SystemExit: the file has results of another number of pages.
    """
    if chosen.results is None or not chosen.results.exists():
        return Results(chosen.pages)
    results = Results.read(chosen.results)
    if not chosen.report and results.measurements and results.pages != chosen.pages:
        sys.exit(f"{chosen.results} has results of {results.pages} pages. Delete it, or choose --results.")
    results.pages = chosen.pages
    return results


def plans(systems: Sequence[System], chosen: argparse.Namespace) -> Iterator[Plan]:
    """Yield all measurements; each round begins with another system, so that the order favours none."""
    for sweep in range(1, chosen.sweeps + 1):
        for number in range(1, chosen.rounds + 1):
            for delay_ms in chosen.delays:
                first = number % len(systems)
                for system in (*systems[first:], *systems[:first]):
                    yield Plan(system, delay_ms, sweep, number)


def left(results: Results, systems: Sequence[System], chosen: argparse.Namespace) -> list[Plan]:
    """Return the measurements that the results do not have."""
    known = {each.key for each in results.measurements}
    return [plan for plan in plans(systems, chosen) if plan.key not in known]


def run(results: Results, chosen: argparse.Namespace) -> list[str]:
    """Make the measurements that the results do not have, and write the results after each.

    Returns:
        The measurements that failed, each with the reason.
    """
    failures = list[str]()
    console = Console(stderr=True)
    # The bare loop is measured with every selection, because all ratios refer to it.
    systems = [SYSTEMS[name] for name in dict.fromkeys([BARE, *chosen.only])] if chosen.only else list(ALL)
    for system in list(systems):
        if reason := system.missing():
            console.print(f"{system.name} is skipped: {reason}", markup=False)
            systems.remove(system)
    results.machine, results.versions = machine(), {**results.versions, **versions(systems)}
    todo = left(results, systems, chosen)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="peers-site-") as data,
        ProcessWatcher() as watcher,
        running_site(Path(data)) as site,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task("", total=len(todo))
        for plan in todo:

            def show(step: str, plan: Plan = plan) -> None:
                name = f"round {plan.sweep}.{plan.round}, {plan.system.name}, {plan.delay_ms} ms"
                progress.update(task, description=f"{name}: {step}")

            try:
                found = measure(plan, site, chosen.pages, watcher, show)
            except (SystemExit, StackError) as error:  # the other systems can still be measured
                failures.append(f"{plan.system.name}, pages of {plan.delay_ms} ms: {error}")
                continue
            finally:
                progress.advance(task)
            results.add(found)
            if chosen.results:
                results.write(chosen.results)
            progress.console.print(line(found), markup=False, highlight=False, soft_wrap=True)
    return failures


def line(found: Measurement) -> str:
    """Return a line about one measurement."""
    incomplete = "" if found.done == found.pages else f"  {found.done} of {found.pages} jobs"
    return (
        f"{found.sweep}.{found.round} {found.system:24} {found.delay_ms:3} ms {found.rate:7.0f} jobs/s"
        f" {found.cpu_per_1000:6.1f} CPU s/1,000 {found.worker_memory_mib:5.0f} MiB workers"
        f" {found.memory_mib:5.0f} MiB all{incomplete}"
    )


if __name__ == "__main__":
    main()
