"""Runs the broken variants, each until an invariant notices it."""

from rich.console import Console

from simulation.invariants import check
from simulation.report import CaughtVariant
from simulation.scenario import draw_scenario
from simulation.variants import VARIANTS, Variant, broken
from simulation.worker_process import install
from simulation.world import run_scenario


def catch_all(max_seeds: int, console: Console, only: str = "") -> list[CaughtVariant]:
    """Run each variant whose name contains `only` until it is noticed, with at most `max_seeds` seeds."""
    caught = []
    for variant in (each for each in VARIANTS if only in each.name):
        caught.append(catch(variant, max_seeds))
        console.print(f"{variant.name}: {caught[-1].seeds} seeds", highlight=False)
    return caught


def catch(variant: Variant, max_seeds: int) -> CaughtVariant:
    """Run one variant until it is noticed."""
    install()
    for seed in range(max_seeds):
        with broken(variant):
            violations = check(run_scenario(variant.change(draw_scenario(seed))))
        if violations:
            invariants = tuple(sorted({violation.split(":")[0] for violation in violations}))
            return CaughtVariant(variant.name, variant.rule, invariants, seed + 1, violations[0])
    return CaughtVariant(variant.name, variant.rule, (), None)
