"""Real small things that tests of what the services share need: a site on a socket, keys."""

import pytest

from tests.servers.push_tokens import Issuer


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Whoever signs the tokens of pushes."""
    return Issuer()


@pytest.fixture(scope="session")
def stranger() -> Issuer:
    """Somebody else, who signs with another key."""
    return Issuer()
