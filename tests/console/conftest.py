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
    made = Ledger(tmp_path)
    made.create()
    return made


@pytest.fixture
def scrapeq() -> Scrapeq:
    """Return what runs a command in this process, 80 columns wide."""
    return lambda *arguments: CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(part) for part in arguments])
