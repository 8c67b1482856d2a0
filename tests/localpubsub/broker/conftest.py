"""Defines the broker of the tests that run one step by step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localpubsub.broker.stepped_broker import SteppedBroker


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[SteppedBroker]:
    """A broker that runs step by step, with its journal in a file."""
    stepped = SteppedBroker(tmp_path / "db")
    yield stepped
    stepped.close()
