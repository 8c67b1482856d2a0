"""Fixtures of the tests of push authentication."""

import pytest

from tests.servers.push_tokens import Issuer


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """The issuer of the push tokens."""
    return Issuer()


@pytest.fixture(scope="session")
def other_issuer() -> Issuer:
    """Another issuer, which signs with another key."""
    return Issuer()
