"""Fixtures of the console's tests."""

from pathlib import Path

import pytest

from console.ledger.ledger import Ledger
from tests.console.command import Scrapeq, run_scrapeq


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return an empty ledger."""
    empty = Ledger(tmp_path)
    empty.create()
    return empty


@pytest.fixture
def scrapeq() -> Scrapeq:
    """Return a function that runs `scrapeq` with the given arguments in this process."""
    return run_scrapeq
