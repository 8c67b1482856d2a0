"""Real small things that the worker's tests share: a site on a socket, keys, a worker around them."""

from collections.abc import Iterator

import pytest

from tests.service.recording import RecordingPublisher
from tests.service.site import Site, open_site
from tests.service.tokens import Issuer


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with open_site() as site:
        yield site


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher of the outcomes topic that confirms."""
    return RecordingPublisher()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Whoever signs certificates."""
    return Issuer()
