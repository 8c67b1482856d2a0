"""Tests that a saved file is noticed, whichever way the editor saves it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from console.recipes.watch import saves


def _write(path: Path) -> None:
    path.write_text("new text")


def _replace(path: Path) -> None:
    other = path.with_suffix(".swp")
    other.write_text("x")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("save", [_write, _replace])
def test_save_is_noticed_once(tmp_path: Path, save: Callable[[Path], None]) -> None:
    """Writing into the file and replacing it are each one save; a file that is missing is waited for."""
    path = tmp_path / "recipe.yaml"
    path.write_text("y")
    polls = list[float]()

    def sleep(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            save(path)
        elif len(polls) == 6:
            path.unlink()
        elif len(polls) == 9:
            path.write_text("again")

    found = saves([path], sleep)
    next(found)
    assert len(polls) == 3
    next(found)
    assert len(polls) == 9


def test_save_before_the_first_poll_is_noticed(tmp_path: Path) -> None:
    """A file that is saved while the recipe is tried for the first time is tried again."""
    path = tmp_path / "recipe.yaml"
    path.write_text("y")
    found = saves([path], lambda _: None)
    path.write_text("longer")
    next(found)
