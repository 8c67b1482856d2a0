"""Runs a small DNS server whose answers a test chooses, over UDP and TCP on one port of 127.0.0.1."""

import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.servers.http_server import serving_in_thread
from tests.servers.waiting import wait_until


@dataclass
class Zone:
    """What the server answers for one name.

    Attributes:
        addresses: the name's IPv4 and IPv6 addresses.
        ttl: the TTL of the records in seconds, and of the SOA record of a negative answer.
        alias: the name to which a CNAME record leads; the answer has the addresses of that name, too.
        rcode: the response code.
        silent: the types of records whose queries are not answered.
        is_truncated: whether an answer over UDP is empty and truncated, so that the client asks over TCP.
    """

    addresses: tuple[str, ...] = ()
    ttl: int = 60
    alias: str = ""
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    silent: frozenset[str] = frozenset()
    is_truncated: bool = False


SILENT = Zone(silent=frozenset({"A", "AAAA"}))


@dataclass
class DnsServer:
    """A running DNS server.

    Attributes:
        port: the port of 127.0.0.1.
        zones: name → what is answered. A name that ends with the key, after a dot, has the same answer.
            Other names do not exist.
        queries: the name and the type of each query, in the order of their arrival.
        tcp_queries: number of queries over TCP.
    """

    port: int
    zones: dict[str, Zone] = field(default_factory=dict)
    queries: list[tuple[str, str]] = field(default_factory=list)
    tcp_queries: int = 0

    @property
    def address(self) -> str:
        """The server as a value of DNS_SERVERS."""
        return f"127.0.0.1:{self.port}"

    def names(self) -> set[str]:
        """Return the names that were asked for."""
        return {name for name, _ in self.queries}

    def await_names(self, count: int) -> None:
        """Return as soon as `count` different names were asked for."""
        wait_until(lambda: len(self.names()) >= count, f"{count} names were looked up")

    def respond(self, wire: bytes, *, is_tcp: bool) -> bytes | None:
        """Return the response to a query; None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        self.tcp_queries += is_tcp
        zone = self._zone(name)
        if kind in zone.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        response.set_rcode(zone.rcode)
        if zone.is_truncated and not is_tcp:
            response.flags |= dns.flags.TC
        else:
            self._fill(response, question.name, kind, zone)
        return response.to_wire()

    def _zone(self, name: str) -> Zone:
        parts = name.split(".")
        names = (".".join(parts[number:]) for number in range(len(parts)))
        found = (self.zones[each] for each in names if each in self.zones)
        return next(found, Zone(rcode=dns.rcode.NXDOMAIN))

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: str, zone: Zone) -> None:
        while zone.alias:
            response.answer.append(dns.rrset.from_text(name, zone.ttl, "IN", "CNAME", f"{zone.alias}."))
            name, zone = dns.name.from_text(zone.alias), self._zone(zone.alias)
        addresses = [each for each in zone.addresses if (":" in each) == (kind == "AAAA")]
        if addresses:
            response.answer.append(dns.rrset.from_text(name, zone.ttl, "IN", kind, *addresses))
        else:
            soa = f"ns.example. admin.example. 1 3600 600 86400 {zone.ttl}"
            response.authority.append(dns.rrset.from_text(name.parent(), zone.ttl, "IN", "SOA", soa))


class _UdpHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Answer one datagram."""
        wire, connection = self.request
        response = self.server.dns.respond(wire, is_tcp=False)  # type: ignore[attr-defined] # set below
        if response is not None:
            connection.sendto(response, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Answer one query; its length comes before it (RFC 1035 section 4.2.2)."""
        [size] = struct.unpack("!H", self.rfile.read(2))
        response = self.server.dns.respond(self.rfile.read(size), is_tcp=True)  # type: ignore[attr-defined] # set below
        if response is not None:
            self.wfile.write(struct.pack("!H", len(response)) + response)


def _servers() -> tuple[socketserver.UDPServer, socketserver.TCPServer]:
    """Return two servers on one port, which is free for both protocols."""
    while True:
        udp = socketserver.UDPServer(("127.0.0.1", 0), _UdpHandler)
        try:
            return udp, socketserver.TCPServer(udp.server_address, _TcpHandler)
        except OSError:
            udp.server_close()  # the port is in use for TCP


@contextmanager
def running_dns_server(zones: dict[str, Zone]) -> Iterator[DnsServer]:
    """Run a DNS server until the block ends."""
    udp, tcp = _servers()
    with udp, tcp:
        server = DnsServer(udp.server_address[1], dict(zones))
        udp.dns = tcp.dns = server  # type: ignore[attr-defined] # for the handlers
        with serving_in_thread(udp), serving_in_thread(tcp):
            yield server
