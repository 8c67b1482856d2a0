"""Tests that the simulation notices every broken variant of the system."""

import pytest

from simulation.variants import VARIANTS, Variant, broken
from tests.simulation.command import simulation


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [variant.name for variant in VARIANTS])
def test_a_broken_variant_is_noticed(name: str) -> None:
    """An invariant notices the variant within 60 seeds; without the variant, it holds in these seeds."""
    finished = simulation("variants", "--only", name)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]


def test_there_are_at_least_twelve_variants_with_different_names() -> None:
    """There are at least twelve variants, and no name of one is a part of another's."""
    names = [variant.name for variant in VARIANTS]
    assert len(names) >= 12
    assert [name for name in names if sum(name in other for other in names) != 1] == []


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_is_undone_after_its_runs(variant: Variant) -> None:
    """After the runs of a variant, every replaced function is the original again."""
    before = [getattr(owner, name) for owner, name, _ in variant.replacements]
    with broken(variant):
        pass
    assert [getattr(owner, name) for owner, name, _ in variant.replacements] == before
