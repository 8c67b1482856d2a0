"""Real processes: a whole stack in the test's own directory, and a site to scrape."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import MANY_ATTEMPTS
from tests.servers.controlled_site import Site, serving_site


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that the test controls."""
    with serving_site() as site:
        yield site


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A running stack that retries soon and often."""
    with Stack(StackOptions(data=tmp_path / "data", delivery=MANY_ATTEMPTS)) as stack:
        yield stack
