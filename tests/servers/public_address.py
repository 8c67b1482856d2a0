"""Lets a test run a site at a public address: one of the loopback addresses counts as public."""

from ipaddress import ip_network

import pytest

from guarded_http.addresses import REFUSED_NETWORKS

PUBLIC_ADDRESS = "127.0.0.2"  #: the address that counts as public
PRIVATE_NETWORK = "127.0.0.1/32"  #: the network that a test allows, and that is still not public


def count_as_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PUBLIC_ADDRESS count as public in this process until the test ends."""
    monkeypatch.delitem(REFUSED_NETWORKS, ip_network("127.0.0.0/8"))
    monkeypatch.setitem(REFUSED_NETWORKS, ip_network(PRIVATE_NETWORK), "loopback (RFC 1122)")
