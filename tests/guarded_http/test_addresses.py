"""Addresses: every kind that is not on the public internet is refused, with its name and RFC."""

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
    """In any case, with or without the dot of an absolute name; a name that only ends like it is allowed."""
    for name in ("metadata", "METADATA.google.internal", "metadata.goog."):
        assert "hands out credentials" in host_name_refusal(name)
    assert host_name_refusal("metadata.shop.example") == ""


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    """Neighbours of refused networks too, and public IPv4 addresses inside of NAT64's and mapped ones."""
    assert address_refusal(ip_address(address)) == ""


@pytest.mark.parametrize("network", REFUSED_NETWORKS, ids=str)
def test_first_and_last_address_of_refused_network_is_refused(network: object) -> None:
    """The sentence cites the RFC that reserves the network."""
    whole = ip_network(str(network))
    for address in (whole[0], whole[-1]):
        assert "RFC" in address_refusal(address) or "credentials" in address_refusal(address)


@pytest.mark.parametrize(
    "address", ["0000::2", "100::1", "4000::1", "5f00::1", "e000::1", "400::1", "64:ff9b:2::1", "200::1"]
)
def test_unallocated_ipv6_address_is_refused(address: str) -> None:
    """IPv6 outside 2000::/3, whatever it will be used for."""
    assert address_refusal(ip_address(address))


@pytest.mark.parametrize(
    "embedded", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "192.168.0.1", "100.64.0.1", "0.0.0.0"]
)
@pytest.mark.parametrize("pattern", ["::ffff:{}", "64:ff9b::{}", "::{}"])
def test_ipv6_address_that_embeds_a_refused_ipv4_address_is_refused(embedded: str, pattern: str) -> None:
    """Mapped, translated (NAT64) or compatible: the packets go to the IPv4 address."""
    assert address_refusal(ip_address(pattern.format(embedded)))


def test_allowed_network_is_allowed_and_no_other() -> None:
    """An IPv4 address of an allowed network may also be embedded in an IPv6 address."""
    allowed = parse_networks(" 10.1.0.0/16, ::1/128,")
    assert address_refusal(ip_address("10.1.2.3"), allowed) == ""
    assert address_refusal(ip_address("::ffff:10.1.2.3"), allowed) == ""
    assert address_refusal(ip_address("::1"), allowed) == ""
    assert "10.2.0.1 is private (RFC 1918)" in address_refusal(ip_address("10.2.0.1"), allowed)


@pytest.mark.parametrize("address", sorted(METADATA_ADDRESSES, key=str), ids=str)
def test_metadata_address_is_refused_although_its_network_is_allowed(address: object) -> None:
    """No list of networks allows the addresses at which a cloud hands out credentials."""
    allowed = parse_networks("0.0.0.0/0,::/0")
    assert "credentials" in address_refusal(ip_address(str(address)), allowed)
    assert address_refusal(ip_address("169.254.169.253"), allowed) == ""


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33", "1.2.3.4;5.6.7.8"])
def test_invalid_network_is_reported(text: str) -> None:
    """A list with a typo allows nothing by accident; the message names the invalid entry."""
    with pytest.raises(ValueError, match=text[:8]):
        parse_networks(text)
