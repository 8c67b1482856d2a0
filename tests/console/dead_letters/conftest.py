"""Fixtures of the tests of dead letters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.dead_letters.line import Line, running_line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """Yield a running queue and its ledger."""
    with running_line(tmp_path) as running:
        yield running
