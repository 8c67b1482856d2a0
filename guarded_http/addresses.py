"""Which addresses a fetch may go to: those of the public internet, and what an operator opens. Pure.

Sources: IANA's registries of special-purpose addresses,
https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry. Not `is_global` of the standard library, whose
answer differs between its patch releases.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Names by which clouds hand out credentials; refused before anybody is asked for their address.
METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
# Their addresses are refused whatever is opened.
METADATA_ADDRESSES = frozenset(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"))
)
REFUSED = {
    ip_network(network): what
    for network, what in {
        "0.0.0.0/8": "unspecified, or this network (RFC 1122)",
        "10.0.0.0/8": "private (RFC 1918)",
        "100.64.0.0/10": "shared by a carrier's customers (RFC 6598)",
        "127.0.0.0/8": "loopback (RFC 1122)",
        "169.254.0.0/16": "link-local (RFC 3927)",
        "172.16.0.0/12": "private (RFC 1918)",
        "192.0.0.0/24": "reserved for protocols (RFC 6890)",
        "192.0.2.0/24": "documentation (RFC 5737)",
        "192.88.99.0/24": "a 6to4 relay (RFC 7526)",
        "192.168.0.0/16": "private (RFC 1918)",
        "198.18.0.0/15": "benchmarking (RFC 2544)",
        "198.51.100.0/24": "documentation (RFC 5737)",
        "203.0.113.0/24": "documentation (RFC 5737)",
        "224.0.0.0/4": "multicast (RFC 5771)",
        "240.0.0.0/4": "reserved, or broadcast (RFC 1112)",
        "::/128": "unspecified (RFC 4291)",
        "::1/128": "loopback (RFC 4291)",
        "::/96": "IPv4-compatible (RFC 4291)",
        "64:ff9b:1::/48": "a translation of this network's own (RFC 8215)",
        "2001::/32": "Teredo, which embeds an IPv4 address (RFC 4380)",
        "2001::/23": "reserved for protocols (RFC 2928)",
        "2001:db8::/32": "documentation (RFC 3849)",
        "2002::/16": "6to4, which embeds an IPv4 address (RFC 3056)",
        "3fff::/20": "documentation (RFC 9637)",
        "fc00::/7": "unique local (RFC 4193)",
        "fe80::/10": "link-local (RFC 4291)",
        "fec0::/10": "site-local (RFC 3879)",
        "ff00::/8": "multicast (RFC 4291)",
    }.items()
}
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4: all that is given out
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how a network without IPv4 reaches IPv4's sites


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks in a comma-separated list of CIDRs.

    Raises:
        ValueError: with a sentence, where one is none.
    """
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def why_refused(address: Address, opened: Iterable[Network] = ()) -> str:
    """Return what keeps us from connecting to `address`; `""` where nothing does.

    An IPv4 address inside an IPv6 one is the one that counts: that is where the packets go.
    """
    meant = _meant(address)
    shown = str(address) if meant == address else f"{address}, which means {meant},"
    if meant in METADATA_ADDRESSES:
        return f"{shown} is where a cloud hands out its credentials"
    if any(each in network for network in opened for each in (address, meant)):
        return ""
    for network, what in REFUSED.items():
        if meant in network:
            return f"{shown} is {what}"
    if isinstance(meant, IPv6Address) and meant not in _GLOBAL_UNICAST:
        return f"{shown} is no global unicast address (RFC 4291)"
    return ""


def why_refused_name(host: str) -> str:
    """Return what keeps us from resolving `host`; `""` where nothing does."""
    named = host.rstrip(".").lower()
    return f"{host} is where a cloud hands out its credentials" if named in METADATA_NAMES else ""


def _meant(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
