"""Decides which addresses may be contacted: the public internet, and networks that an operator allows. Pure.

Sources: IANA's registries of special-purpose addresses,
https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry. The standard library's `is_global` is not used,
since its result differs between Python's patch releases.
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

# Host names of cloud metadata servers, which hand out credentials. They are refused before they are resolved.
METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
# Addresses of cloud metadata servers. They are refused even if an allowed network contains them.
METADATA_ADDRESSES = frozenset(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"))
)
# Refused networks, each with a description that completes the sentence "this address is …".
REFUSED_NETWORKS = {
    ip_network(network): description
    for network, description in {
        "0.0.0.0/8": "unspecified, or this network (RFC 1122)",
        "10.0.0.0/8": "private (RFC 1918)",
        "100.64.0.0/10": "carrier-grade NAT (RFC 6598)",
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
        "64:ff9b:1::/48": "reserved for local translation prefixes (RFC 8215)",
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
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4: the only allocated unicast space
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: IPv6-only networks reach IPv4 sites by these addresses


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks in a comma-separated list of CIDRs.

    Raises:
        ValueError: if an entry is not a CIDR; the message names the entry.
    """
    return tuple(ip_network(entry.strip()) for entry in text.split(",") if entry.strip())


def parse_ports(text: str) -> frozenset[int]:
    """Return the ports in a comma-separated list.

    Raises:
        ValueError: if an entry is not a port number; the message names the entry.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    for entry in entries:
        if not (entry.isascii() and entry.isdecimal() and 0 < int(entry) < 65536):
            raise ValueError(f"{entry!r} is not a port number from 1 to 65535")
    return frozenset(map(int, entries))


def is_public(address: Address) -> bool:
    """Return whether `address` belongs to the public internet."""
    return not address_refusal(address)


def address_refusal(address: Address, allowed_networks: Iterable[Network] = ()) -> str:
    """Return a sentence that says why `address` is refused, or `""` if it may be contacted.

    If an IPv6 address embeds an IPv4 address, the IPv4 address is checked, since it receives the packets.

    Args:
        address: the address to check.
        allowed_networks: networks that may be contacted although they are not public.
    """
    target = _embedded_ipv4(address) or address
    subject = str(address) if target == address else f"{address}, which embeds {target},"
    if target in METADATA_ADDRESSES:
        return f"{subject} is a cloud metadata server, which hands out credentials"
    if any(candidate in network for network in allowed_networks for candidate in (address, target)):
        return ""
    for network, description in REFUSED_NETWORKS.items():
        if target in network:
            return f"{subject} is {description}"
    if isinstance(target, IPv6Address) and target not in _GLOBAL_UNICAST:
        return f"{subject} is not a global unicast address (RFC 4291)"
    return ""


def host_name_refusal(host: str) -> str:
    """Return a sentence that says why `host` must not be resolved, or `""` if it may be resolved."""
    is_refused = host.rstrip(".").lower() in METADATA_NAMES
    return f"{host} is a cloud metadata server, which hands out credentials" if is_refused else ""


def _embedded_ipv4(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
