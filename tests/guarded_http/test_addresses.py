"""Addresses: every kind that is not the public internet's is refused, and said by name."""

from ipaddress import ip_address, ip_network

import pytest

from guarded_http.addresses import METADATA_ADDRESSES, REFUSED_NETWORKS, address_refusal, parse_networks

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255",
    "100.128.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "192.0.1.1", "2606:4700:4700::1111",
    "2a00:1450::1", "2003::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_open(address: str) -> None:
    """Neighbours of refused networks too; and IPv4 sites as a network without IPv4 sees them (NAT64)."""
    assert address_refusal(ip_address(address)) == ""


@pytest.mark.parametrize("network", REFUSED_NETWORKS, ids=str)
def test_a_refused_network_is_refused_from_end_to_end(network: object) -> None:
    """Its first and its last address, each with the document that sets it apart."""
    whole = ip_network(str(network))
    for address in (whole[0], whole[-1]):
        assert "RFC" in address_refusal(address) or "credentials" in address_refusal(address)


@pytest.mark.parametrize(
    "address", ["0000::2", "100::1", "4000::1", "5f00::1", "e000::1", "400::1", "64:ff9b:2::1", "200::1"]
)
def test_what_nobody_has_been_given_is_refused(address: str) -> None:
    """IPv6 outside 2000::/3, whatever it will be used for."""
    assert address_refusal(ip_address(address))


@pytest.mark.parametrize(
    "inner", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "192.168.0.1", "100.64.0.1", "0.0.0.0"]
)
@pytest.mark.parametrize("wrapped", ["::ffff:{}", "64:ff9b::{}", "::{}"])
def test_an_ipv4_address_inside_an_ipv6_one_is_the_one_that_counts(inner: str, wrapped: str) -> None:
    """Mapped, translated (NAT64) or compatible: the packets go to the inner address."""
    assert address_refusal(ip_address(wrapped.format(inner)))


def test_what_is_opened_is_open_and_no_more() -> None:
    """By a list of networks; an IPv4 address also in its IPv6 clothes."""
    opened = parse_networks(" 10.1.0.0/16, ::1/128,")
    assert address_refusal(ip_address("10.1.2.3"), opened) == ""
    assert address_refusal(ip_address("::ffff:10.1.2.3"), opened) == ""
    assert address_refusal(ip_address("::1"), opened) == ""
    assert "10.2.0.1 is private (RFC 1918)" in address_refusal(ip_address("10.2.0.1"), opened)


@pytest.mark.parametrize("address", sorted(METADATA_ADDRESSES, key=str), ids=str)
def test_metadata_is_refused_whatever_is_opened(address: object) -> None:
    """No list of networks opens where a cloud hands out its credentials."""
    opened = parse_networks("0.0.0.0/0,::/0")
    assert "credentials" in address_refusal(ip_address(str(address)), opened)
    assert address_refusal(ip_address("169.254.169.253"), opened) == ""


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33", "1.2.3.4;5.6.7.8"])
def test_what_is_no_network_is_told(text: str) -> None:
    """A list with a typo opens nothing by accident."""
    with pytest.raises(ValueError, match=text[:8]):
        parse_networks(text)
