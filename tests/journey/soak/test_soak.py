"""Tests the soak: a short one with real processes, and its judgement."""

import sys
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest

from tests.journey.soak.picture import KINDS, picture
from tests.journey.soak.run import SERVICES, soak
from tests.journey.soak.trend import MIN_VALUES, trend_of


@pytest.mark.skipif(sys.platform != "linux", reason="the soak reads /proc")
def test_a_short_soak_loses_no_job_and_grows_nowhere(tmp_path: Path) -> None:
    """Descriptors and threads of all services stay flat while jobs run, and every job ends."""
    measured = soak(tmp_path / "data", minutes=0.7, seconds=2, wave=100, show=lambda _seconds, _ended: None)
    assert measured.jobs >= 100
    assert measured.lost == 0
    # Memory needs longer than this to settle; `make soak` judges it.
    trends = [
        (name, kind, trend_of(kind, measured.series(kind)[name]))
        for name in SERVICES
        for kind in ("descriptors", "threads")
    ]
    assert [each for each in trends if not each[2].is_flat] == []
    assert all(value > 0 for values in measured.series("memory").values() for value in values)
    drawn = ET.fromstring(picture(measured))  # noqa: S314 - our own picture
    assert len([each for each in drawn.iter() if each.tag.endswith("polyline")]) == len(SERVICES) * len(KINDS)


def test_a_series_that_levels_off_is_flat() -> None:
    """A series that grows only in its warm-up, and is noisy afterwards, is flat."""
    chance = Random(1)
    warm = [100.0 + 10 * step for step in range(20)]
    assert trend_of("memory", [*warm, *(300 + chance.uniform(-5, 5) for _ in range(30))]).is_flat


@pytest.mark.parametrize("kind", ["memory", "descriptors", "threads"])
def test_a_leak_is_reported(kind: str) -> None:
    """A series that grows steadily by a third after its warm-up is not flat."""
    assert not trend_of(kind, [100.0 + step for step in range(60)]).is_flat


def test_too_few_values_are_refused() -> None:
    """A soak that is too short to be judged is an error, and not flat."""
    with pytest.raises(ValueError, match="too few"):
        trend_of("memory", [1.0] * MIN_VALUES)
