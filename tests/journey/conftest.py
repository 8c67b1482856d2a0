"""Fixtures of the journeys: a complete stack of real processes, and a site to scrape."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import MANY_ATTEMPTS
from tests.servers.controlled_site import Site, serving_site


@pytest.fixture
def site() -> Iterator[Site]:
    """Yield a site whose responses the test controls."""
    with serving_site() as site:
        yield site


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Yield a running stack with short backoffs and up to 100 attempts for each job."""
    with Stack(StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS)) as stack:
        yield stack
