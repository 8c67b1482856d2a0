"""Tests for the setting that names the DNS servers."""

import pytest

from guarded_http.dns_servers import ServerAddress, parse_servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", []),
        (" , ", []),
        ("10.0.0.2", [("10.0.0.2", 53)]),
        ("127.0.0.1:5353, ::1", [("127.0.0.1", 5353), ("::1", 53)]),
        ("[::1]:5353,[2001:db8::1]:53", [("::1", 5353), ("2001:db8::1", 53)]),
    ],
)
def test_servers_are_addresses_with_or_without_a_port(text: str, servers: list[tuple[str, int]]) -> None:
    """A list of addresses is read, each with its port or with port 53."""
    assert parse_servers(text) == tuple(ServerAddress(*server) for server in servers)


@pytest.mark.parametrize(
    "entry",
    ["dns.example", "dns.example:53", "10.0.0.2:", "10.0.0.2:0", "10.0.0.2:99999", "10.0.0.2:x",
     "10.0.0.2/path", "user@10.0.0.2:53", "[::1", "https://10.0.0.2/dns-query"],
)  # fmt: skip
def test_invalid_server_is_refused_and_named(entry: str) -> None:
    """A name, a URL or an invalid port is refused, and the message has the entry."""
    with pytest.raises(ValueError, match="is not an IP address") as refused:
        parse_servers(f"10.0.0.1, {entry}")
    assert repr(entry) in str(refused.value)
