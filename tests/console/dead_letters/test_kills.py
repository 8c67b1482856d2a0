"""Tests of SIGKILL at each step of a replay, a replacement and a drop."""

from pathlib import Path

from tests.console.dead_letters.kills import KINDS, kill


def test_sigkill_at_any_step_loses_no_page_and_counts_none_twice(tmp_path: Path) -> None:
    """After kills at random steps, the next commands complete the work: each page has one result."""
    done = kill(8, seed=1, folder=tmp_path)
    assert set(done) == set(KINDS)
