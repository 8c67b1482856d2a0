"""Real processes: a whole stack in a directory of the test's own, and a site to scrape."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.site import Site, serving_site

# So many attempts that none of a journey's accidents uses them up, and backoffs that a test can wait for.
PATIENT = DeliveryPolicy(max_delivery_attempts=100, minimum_backoff_seconds=1, maximum_backoff_seconds=2)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that the test steers."""
    with serving_site() as site:
        yield site


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A running stack whose jobs are tried often."""
    with Stack(StackOptions(data=tmp_path / "data", delivery=PATIENT)) as stack:
        yield stack
