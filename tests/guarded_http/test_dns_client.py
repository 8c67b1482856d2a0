"""Tests the queries to DNS servers with a small DNS server on a real socket."""

from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from guarded_http import dns_client
from guarded_http.configuration_files import WatchedFile
from guarded_http.dns_answers import FAILURE_SECONDS, MAX_ABSENCE_SECONDS, DnsAnswer
from guarded_http.dns_client import NO_ADDRESS, NO_ANSWER, DnsClient
from guarded_http.dns_servers import parse_servers
from tests.servers.dns_server import SILENT, DnsServer, Zone, running_dns_server

NXDOMAIN = "the name does not exist (NXDOMAIN)"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    """A DNS server without zones."""
    with running_dns_server({}) as server:
        yield server


def look_up(server: DnsServer, host: str = "shop.example") -> DnsAnswer:
    """Return the one answer of a lookup."""
    answers = list[DnsAnswer]()
    DnsClient(parse_servers(server.address)).look_up(host, answers.append)
    [answer] = answers
    return answer


@pytest.mark.parametrize("addresses", [("192.0.2.1", "2001:db8::1"), ("192.0.2.1",), ("2001:db8::1",)])
def test_addresses_of_both_families_are_found(server: DnsServer, addresses: tuple[str, ...]) -> None:
    """A lookup asks for IPv4 and IPv6 addresses, and returns all of them with their TTL."""
    server.zones["shop.example"] = Zone(addresses, ttl=77)
    assert look_up(server) == DnsAnswer(addresses, "", 77)
    assert sorted(server.queries) == [("shop.example", "A"), ("shop.example", "AAAA")]


def test_alias_leads_to_the_addresses_and_the_shortest_ttl_counts(server: DnsServer) -> None:
    """The addresses behind CNAME records are found; the answer is kept for the shortest TTL of the chain."""
    server.zones["shop.example"] = Zone(alias="cdn.example", ttl=20)
    server.zones["cdn.example"] = Zone(("192.0.2.1",), ttl=300)
    assert look_up(server) == DnsAnswer(("192.0.2.1",), "", 20)


def test_truncated_answer_is_requested_over_tcp(server: DnsServer) -> None:
    """If an answer does not fit into a UDP message, it is requested again over TCP."""
    addresses = tuple(f"192.0.2.{number}" for number in range(1, 60))
    server.zones["shop.example"] = Zone(addresses, is_truncated=True)
    assert set(look_up(server).addresses) == set(addresses)
    assert server.tcp_queries == 2


@pytest.mark.parametrize(
    ("zone", "answer"),
    [
        (Zone(rcode=dns.rcode.NXDOMAIN, ttl=5), DnsAnswer((), NXDOMAIN, 5)),
        (Zone(rcode=dns.rcode.NXDOMAIN, ttl=9999), DnsAnswer((), NXDOMAIN, MAX_ABSENCE_SECONDS)),
        (Zone(ttl=5), DnsAnswer((), NO_ADDRESS, 5)),
    ],
)
def test_absence_is_kept_for_the_time_in_the_soa_record(
    server: DnsServer, zone: Zone, answer: DnsAnswer
) -> None:
    """A name that does not exist, or has no address, is reported, and kept as its SOA record allows."""
    server.zones["shop.example"] = zone
    assert look_up(server) == answer


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_error_of_a_server_is_named_and_another_server_is_asked(
    server: DnsServer, rcode: dns.rcode.Rcode
) -> None:
    """The failure names what the server answered; if there is another server, it is asked."""
    server.zones["shop.example"] = Zone(rcode=rcode)
    code = dns.rcode.to_text(rcode)
    assert look_up(server) == DnsAnswer((), f"{code} from 127.0.0.1 port {server.port}", FAILURE_SECONDS)
    with running_dns_server({"shop.example": Zone(("192.0.2.1",))}) as second:
        answers = list[DnsAnswer]()
        servers = parse_servers(f"{server.address},{second.address}")
        DnsClient(servers).look_up("shop.example", answers.append)
        assert answers == [DnsAnswer(("192.0.2.1",), "", 60)]


def test_silent_server_fails_within_the_time_of_a_lookup(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no server answers, the lookup ends by itself, and the failure says so."""
    monkeypatch.setattr(dns_client, "QUERY_SECONDS", 0.3)
    server.zones["shop.example"] = SILENT
    assert look_up(server) == DnsAnswer((), NO_ANSWER, FAILURE_SECONDS)


def test_silence_about_ipv6_does_not_delay_ipv4(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a server ignores queries for IPv6, the IPv4 addresses are published before that query ends."""
    monkeypatch.setattr(dns_client, "IPV6_SECONDS", 0.1)
    monkeypatch.setattr(dns_client, "QUERY_SECONDS", 3.0)
    server.zones["shop.example"] = Zone(("192.0.2.1",), ttl=60, silent=frozenset({"AAAA"}))
    ipv6_queries = list[int]()

    def publish(answer: DnsAnswer) -> None:
        assert answer == DnsAnswer(("192.0.2.1",), "", FAILURE_SECONDS)
        ipv6_queries.append(server.queries.count(("shop.example", "AAAA")))

    DnsClient(parse_servers(server.address)).look_up("shop.example", publish)
    # The IPv6 query was repeated after the IPv4 addresses had been published.
    assert server.queries.count(("shop.example", "AAAA")) > ipv6_queries[0]


def test_host_is_absolute_and_servers_are_those_of_resolv_conf(
    server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers of resolv.conf are asked, and its search domains are not appended to a host."""
    path = tmp_path / "resolv.conf"
    path.write_text("search corp.example\nnameserver 127.0.0.1\noptions ndots:5\n")
    server.zones["shop.corp.example"] = Zone(("192.0.2.1",))
    client = DnsClient()
    resolver = WatchedFile(path, dns_client._configured)  # noqa: SLF001 - the file is another one
    monkeypatch.setattr(client, "_resolv_conf", resolver)
    resolver.read().port = server.port  # resolv.conf has no ports
    answers = list[DnsAnswer]()
    client.look_up("shop", answers.append)
    assert [answer.failure for answer in answers] == [NXDOMAIN]
    assert server.names() == {"shop"}
    path.write_text("# no server\n")
    client.look_up("shop", answers.append)
    assert answers[-1].failure == "/etc/resolv.conf names no DNS server; set DNS_SERVERS"
