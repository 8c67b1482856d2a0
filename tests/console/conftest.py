"""Fixtures of the console's tests."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.commands import app
from console.ledger.ledger import Ledger
from tests.console.command import Scrapeq


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return an empty ledger."""
    empty = Ledger(tmp_path)
    empty.create()
    return empty


@pytest.fixture
def scrapeq() -> Scrapeq:
    """Return a function that runs `scrapeq` with the given arguments in this process, 80 columns wide."""
    return lambda *arguments: CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(part) for part in arguments])
