"""Parses the setting that names the DNS servers. Pure."""

import re
from ipaddress import ip_address
from typing import NamedTuple

DNS_PORT = 53  #: RFC 1035 section 4.2
_WITH_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})")


class ServerAddress(NamedTuple):
    """The address and the port of a DNS server."""

    address: str
    port: int = DNS_PORT


def parse_servers(text: str) -> tuple[ServerAddress, ...]:
    """Return the servers of a comma-separated list: `10.0.0.2`, `127.0.0.1:5353`, `[::1]:5353`, `::1`.

    Raises:
        ValueError: if an entry is not an IP address with or without a port; the message names the entry.
    """
    return tuple(_parse_server(entry.strip()) for entry in text.split(",") if entry.strip())


def _parse_server(entry: str) -> ServerAddress:
    with_port = _WITH_PORT.fullmatch(entry)
    address, port = (with_port[1] or with_port[2], int(with_port[3])) if with_port else (entry, DNS_PORT)
    try:
        if 0 < port < 65536:
            return ServerAddress(str(ip_address(address)), port)
    except ValueError:
        pass  # the error below says more
    raise ValueError(f"{entry!r} is not an IP address, or an IP address and a port such as 127.0.0.1:5353")
