"""Every kind of address outside the public internet is refused; the message names the kind and its RFC."""

from ipaddress import ip_address, ip_network

import pytest

from guarded_http.addresses import (
    METADATA_ADDRESSES,
    REFUSED_NETWORKS,
    address_refusal,
    host_name_refusal,
    parse_networks,
)

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255",
    "100.128.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "192.0.1.1", "2606:4700:4700::1111",
    "2a00:1450::1", "2003::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8",
]  # fmt: skip


def test_metadata_host_name_is_refused() -> None:
    """Names of metadata servers are refused in any letter case and with a final dot; others are allowed."""
    for name in ("metadata", "METADATA.google.internal", "metadata.goog."):
        assert "hands out credentials" in host_name_refusal(name)
    assert host_name_refusal("metadata.shop.example") == ""


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    """Public addresses are allowed, even next to a refused network or embedded in an IPv6 address."""
    assert address_refusal(ip_address(address)) == ""


@pytest.mark.parametrize("network", REFUSED_NETWORKS, ids=str)
def test_first_and_last_address_of_refused_network_is_refused(network: object) -> None:
    """The first and last address of each refused network is refused.

    The message cites an RFC, or says that the address hands out credentials.
    """
    whole = ip_network(str(network))
    for address in (whole[0], whole[-1]):
        assert "RFC" in address_refusal(address) or "credentials" in address_refusal(address)


@pytest.mark.parametrize(
    "address", ["0000::2", "100::1", "4000::1", "5f00::1", "e000::1", "400::1", "64:ff9b:2::1", "200::1"]
)
def test_unallocated_ipv6_address_is_refused(address: str) -> None:
    """IPv6 addresses outside 2000::/3, the only allocated unicast network, are refused."""
    assert address_refusal(ip_address(address))


@pytest.mark.parametrize(
    "embedded", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "192.168.0.1", "100.64.0.1", "0.0.0.0"]
)
@pytest.mark.parametrize("pattern", ["::ffff:{}", "64:ff9b::{}", "::{}"])
def test_ipv6_address_that_embeds_a_refused_ipv4_address_is_refused(embedded: str, pattern: str) -> None:
    """A mapped, NAT64 or compatible IPv6 address is refused if the IPv4 address in it is refused."""
    assert address_refusal(ip_address(pattern.format(embedded)))


def test_only_allowed_networks_are_allowed_in_addition() -> None:
    """Addresses of allowed networks may be contacted, even embedded in IPv6; other private ones may not."""
    allowed = parse_networks(" 10.1.0.0/16, ::1/128,")
    assert address_refusal(ip_address("10.1.2.3"), allowed) == ""
    assert address_refusal(ip_address("::ffff:10.1.2.3"), allowed) == ""
    assert address_refusal(ip_address("::1"), allowed) == ""
    assert "10.2.0.1 is private (RFC 1918)" in address_refusal(ip_address("10.2.0.1"), allowed)


@pytest.mark.parametrize("address", sorted(METADATA_ADDRESSES, key=str), ids=str)
def test_metadata_address_is_refused_although_its_network_is_allowed(address: object) -> None:
    """The addresses of metadata servers are refused even if every network is allowed."""
    allowed = parse_networks("0.0.0.0/0,::/0")
    assert "credentials" in address_refusal(ip_address(str(address)), allowed)
    assert address_refusal(ip_address("169.254.169.253"), allowed) == ""


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33", "1.2.3.4;5.6.7.8"])
def test_invalid_network_is_reported(text: str) -> None:
    """A list of networks with an invalid entry is rejected, and the message names that entry."""
    with pytest.raises(ValueError, match=text[:8]):
        parse_networks(text)
