"""Tests of the calculations of docs/scale.md."""

import pytest

from benchmarks.peers.publish import section
from benchmarks.scale import PUSH_WINDOW, TABLES, fleet
from tests.repository.tree import ROOT


@pytest.mark.parametrize("name", TABLES)
def test_scale_page_shows_the_computed_table(name: str) -> None:
    """The table in docs/scale.md is the one that `python -m benchmarks.scale` prints."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert section(page, name) == TABLES[name]()


def test_fleet_equals_a_calculation_by_hand() -> None:
    """40 instances with 80 pages of 2 s, billed as 2.1 s, need two windows of 3,000 pushes."""
    found = fleet(40, 2)
    assert found.pages == pytest.approx(40 * 80 / 2.1)
    assert found.one_subscription == pytest.approx(3_000 / 2.05)
    assert found.subscriptions == 2
    assert found.push_mb == pytest.approx(40 * 80 / 2.1 * 1_275 / 1e6)
    assert found.addresses == 1


def test_one_subscription_limits_large_fleets_only() -> None:
    """A fleet with fewer page slots than the push window is not limited by one subscription."""
    assert fleet(10, 2).one_subscription == fleet(10, 2).pages
    assert fleet(10_000, 2).one_subscription * 2.05 == pytest.approx(PUSH_WINDOW)
