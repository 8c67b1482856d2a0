"""Asks DNS servers for the addresses of a host: for IPv4 (A) and IPv6 (AAAA) at the same time.

Unlike the system's getaddrinfo, a lookup has a time limit, needs no native thread, and tells how long its
answer may be kept. docs/decisions/names-by-dnspython.md explains the choice.
"""

import io
import queue
from collections.abc import Callable
from threading import Thread

import dns.name
import dns.resolver
from dns.nameserver import Do53Nameserver

from guarded_http.configuration_files import RESOLV_CONF, WatchedFile
from guarded_http.dns_answers import FAILURE_SECONDS, DnsAnswer, absent, failed, found
from guarded_http.dns_servers import ServerAddress

#: Seconds for one lookup with all its retries. The system's resolver also gives up after 10 s
#: (resolv.conf(5): 2 attempts of 5 s).
LOOKUP_SECONDS = 10.0
#: Seconds after which no query is sent any more. dnspython notices that this time is over only after its
#: pause between two queries, which is up to 2 s long.
QUERY_SECONDS = LOOKUP_SECONDS - 2.0
#: Seconds for which a lookup that has IPv4 addresses still waits for the IPv6 answer. Some sites' servers
#: never answer queries for IPv6 addresses (RFC 4074 section 4.1).
IPV6_SECONDS = 1.0
NO_ADDRESS = "the name exists, and has no address"
NO_ANSWER = f"no DNS server answered within {QUERY_SECONDS:.0f} s"


class DnsClient:
    """Asks the DNS servers of the machine, or the given ones.

    Args:
        servers: the servers; empty for those of /etc/resolv.conf, which is read again after it has changed.
    """

    def __init__(self, servers: tuple[ServerAddress, ...] = ()) -> None:
        self._servers = servers
        self._resolv_conf = WatchedFile(RESOLV_CONF, _configured)

    def look_up(self, host: str, publish: Callable[[DnsAnswer], object]) -> None:
        """Look up a host, and return when no query is under way any more.

        Args:
            host: a host name in ASCII. It is absolute: search domains of /etc/resolv.conf are not appended,
                since the names of a crawl are those of the internet.
            publish: called once, with the answer, as soon as it is known.
        """
        ipv6_answers: queue.SimpleQueue[DnsAnswer] = queue.SimpleQueue()
        ipv6_query = Thread(
            target=lambda: ipv6_answers.put(self._query(host, "AAAA")), name="dns-ipv6", daemon=True
        )
        ipv6_query.start()
        ipv4 = self._query(host, "A")
        try:
            ipv6 = ipv6_answers.get(timeout=IPV6_SECONDS if ipv4.addresses else None)
        except queue.Empty:
            ipv6 = failed(NO_ANSWER)
        publish(_combined(ipv4, ipv6))
        ipv6_query.join()

    def _query(self, host: str, record_type: str) -> DnsAnswer:
        try:
            resolver = _resolver(self._servers) if self._servers else self._resolv_conf.read()
            answer = resolver.resolve(
                dns.name.from_text(host),
                record_type,
                raise_on_no_answer=False,  # The exception would not have the TTL.
                lifetime=QUERY_SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - no response, however malformed, may leave a lookup unfinished
            return _failure(error)
        ttl = answer.chaining_result.minimum_ttl
        if answer.rrset is None:
            return absent(NO_ADDRESS, ttl)
        return found(tuple(record.address for record in answer.rrset), ttl)


def _resolver(servers: tuple[ServerAddress, ...]) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [Do53Nameserver(server.address, server.port) for server in servers]
    return resolver


def _configured(resolv_conf: str) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.read_resolv_conf(io.StringIO(resolv_conf))
    return resolver


def _failure(error: Exception) -> DnsAnswer:
    """Return the answer for an exception of dnspython."""
    if isinstance(error, dns.resolver.NXDOMAIN):
        [response] = error.kwargs["responses"].values()
        return absent("the name does not exist (NXDOMAIN)", response.resolve_chaining().minimum_ttl)
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return failed(NO_ANSWER)
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return failed(f"{RESOLV_CONF} names no DNS server; set DNS_SERVERS")
    if isinstance(error, dns.resolver.NoNameservers):
        return failed(_server_errors(error))
    return failed(f"{type(error).__name__}: {error}")


def _server_errors(error: dns.resolver.NoNameservers) -> str:
    """Return what each DNS server answered, such as SERVFAIL, or the error of the connection to it."""
    answers = []
    for server, _, _, what, _ in error.kwargs["errors"]:
        shown = what if isinstance(what, str) else f"{type(what).__name__} {what}".strip()
        answers.append(f"{shown} from {str(server).removeprefix('Do53:').replace('@', ' port ')}")
    return "; ".join(dict.fromkeys(answers)) or "no DNS server can be asked"


def _combined(ipv4: DnsAnswer, ipv6: DnsAnswer) -> DnsAnswer:
    """Return the answer for both; a failure of one is not reported if the other has addresses."""
    addresses = ipv4.addresses + ipv6.addresses
    if not addresses:
        return ipv6 if ipv4.failure == NO_ADDRESS else ipv4
    seconds = min(each.seconds for each in (ipv4, ipv6) if each.addresses)
    is_complete = all(each.addresses or each.failure == NO_ADDRESS for each in (ipv4, ipv6))
    return DnsAnswer(addresses, "", seconds if is_complete else min(seconds, FAILURE_SECONDS))
