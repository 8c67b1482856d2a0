"""The command line of the simulation: `python -m simulation --help`."""

import argparse
import os
import sys

from rich.console import Console

from simulation import report
from simulation.campaign import run_campaign
from simulation.capacity import grid
from simulation.invariants import check
from simulation.scenario import draw_scenario
from simulation.seed_run import shrink
from simulation.storms import run_all
from simulation.variant_runs import catch_all
from simulation.worker_process import install
from simulation.world import run_scenario

COMMANDS = ("seeds", "variants", "capacity", "storms")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 1 if an invariant is violated, or if a broken variant is not noticed."""
    options = _parser().parse_args(arguments)
    console = Console()
    if options.seed is not None:
        return _run_one(options.seed, console, is_traced=options.trace, shrinks=options.shrink)
    if options.command == "variants":
        caught = catch_all(options.seeds or 60, console, options.only)
        return report.show_variants(caught, console, documents=options.document)
    if options.command == "capacity":
        return report.show_capacity(grid(options.jobs), console, documents=options.document)
    if options.command == "storms":
        return report.show_storms(run_all(options.only), console, documents=options.document)
    seeds = range(options.first, options.first + (options.seeds or 10_000))
    campaign = run_campaign(seeds, options.processes, is_quiet=options.quiet)
    return report.show_campaign(campaign, console, documents=options.document)


def _run_one(seed: int, console: Console, *, is_traced: bool, shrinks: bool) -> int:
    install()
    scenario = draw_scenario(seed)
    if shrinks:
        scenario = shrink(scenario)
    world = run_scenario(scenario, is_traced=is_traced)
    for line in world.trace:
        sys.stdout.write(f"{line}\n")
    crawls = ", ".join(f"{shape.name} ({shape.kind})" for shape, _ in scenario.crawls)
    console.print(f"seed {seed}: ACK_POLICY={scenario.policy}; crawls: {crawls}", highlight=False)
    for fault in scenario.faults:
        console.print(f"  fault: {fault}", highlight=False)
    violations = check(world)
    for violation in violations:
        console.print(f"  [red]{violation}[/red]", highlight=False)
    console.print(f"{len(world.ledger.jobs)} jobs, {len(violations)} violations", highlight=False)
    return int(bool(violations))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulation",
        description="Run the whole line under a virtual clock and seeded faults, and check it.",
    )
    add = parser.add_argument
    add("command", nargs="?", choices=COMMANDS, default="seeds", help="what to run (default: seeds)")
    add("--seeds", type=int, help="number of seeds (default: 10000; variants: at most 60 each)")
    add("--only", default="", help="variants, storms: run only those whose name contains this text")
    add("--jobs", type=int, default=100_000, help="capacity: number of jobs (default: %(default)s)")
    add("--first", type=int, default=0, help="the first seed (default: 0)")
    add(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="number of processes (default: all processors)",
    )
    add("--seed", type=int, help="run only this seed")
    add("--trace", action="store_true", help="with --seed: print every event")
    add("--shrink", action="store_true", help="with --seed: first drop what the violation does not need")
    add("--document", action="store_true", help="write the table into docs/explanation/simulation.md")
    add("--quiet", action="store_true", help="show no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
