"""Real small things that the dispatcher's tests share."""

from collections.abc import Iterator

import pytest

from tests.service.recording import RecordingPublisher
from tests.service.site import Site, open_site


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with open_site() as site:
        yield site


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher of the jobs topic that confirms."""
    return RecordingPublisher()
