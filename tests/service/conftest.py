"""Real small things that tests of what the services share need: a site on a socket, keys."""

from collections.abc import Iterator

import pytest

from tests.service.site import Site, open_site
from tests.service.tokens import Issuer


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with open_site() as site:
        yield site


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Whoever signs the tokens of pushes."""
    return Issuer()


@pytest.fixture(scope="session")
def stranger() -> Issuer:
    """Somebody else, who signs with another key."""
    return Issuer()
