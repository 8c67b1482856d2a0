"""Looks up the addresses of hosts, so that no name can delay the lookups of other names.

Lookups of one name are shared. Their results are kept for as long as the DNS servers allow. A caller that
gives up leaves nothing behind that lasts longer than one lookup may take.
"""

import socket
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Protocol

from guarded_http.configuration_files import HOSTS_FILE, WatchedFile, parse_hosts
from guarded_http.dns_answers import AnswerCache, DnsAnswer, found
from guarded_http.dns_client import DnsClient
from guarded_http.dns_servers import parse_servers
from guarded_http.lookup_places import LookupPlaces

LOOPBACK = ("127.0.0.1", "::1")


class AskDns(Protocol):
    """Asks DNS servers for the addresses of a host; see `guarded_http.dns_client.DnsClient.look_up`."""

    def __call__(self, host: str, publish: Callable[[DnsAnswer], object]) -> None:
        """Call `publish` once, with the answer; return when no query is under way any more."""


class _Lookup:
    """A lookup that waits for a place or is under way, until `ended` is set."""

    def __init__(self) -> None:
        self.ended = Event()
        self.answer: DnsAnswer | None = None
        self.callers = 0


class Resolver:
    """Looks up hosts. All requests of a process share one instance, under threads or gevent.

    A name in the hosts file has the addresses of that file. `localhost`, and names that end with
    `.localhost`, have the loopback addresses (RFC 6761 section 6.3). Other names are looked up in the DNS.

    Args:
        ask: asks the DNS servers.
        hosts: returns the current content of the hosts file, host name in lower case → addresses.
        cache: keeps the answers.
        places: limits the number of lookups under way.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        ask: AskDns,
        *,
        hosts: Callable[[], dict[str, tuple[str, ...]]] = dict,
        cache: AnswerCache | None = None,
        places: LookupPlaces | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._hosts = hosts
        self._cache = AnswerCache() if cache is None else cache
        self._places = LookupPlaces() if places is None else places
        self._clock = clock
        self._lookups: dict[str, _Lookup] = {}
        self._lock = Lock()

    def known(self, host: str) -> DnsAnswer | None:
        """Return the answer that needs no query now, or None if the host must be looked up.

        Args:
            host: a host name in ASCII; upper case and a dot at its end do not matter.
        """
        with self._lock:
            return self._known(_normalized(host))

    def look_up(self, host: str, seconds: float) -> DnsAnswer | None:
        """Return the answer for a host, or None if there is none within `seconds`.

        Args:
            host: a host name in ASCII; upper case and a dot at its end do not matter.
            seconds: how long to wait for a place and for the answer.
        """
        name = _normalized(host)
        with self._lock:
            if answer := self._known(name):
                return answer
            lookup = self._lookups.get(name) or self._start(name)
            lookup.callers += 1
        try:
            lookup.ended.wait(seconds)
        finally:
            with self._lock:
                lookup.callers -= 1
        return lookup.answer

    def _known(self, name: str) -> DnsAnswer | None:
        if addresses := self._hosts().get(name):
            return found(_ordered(addresses), 0)
        if name == "localhost" or name.endswith(".localhost"):
            return found(_ordered(LOOPBACK), 0)
        return self._cache.get(name, self._clock())

    def _start(self, name: str) -> _Lookup:
        lookup = _Lookup()
        # The lookup has a thread of its own, so it goes on for the other callers if the first one gives up.
        Thread(target=self._run, args=(name, lookup), name="lookup", daemon=True).start()
        self._lookups[name] = lookup
        return lookup

    def _run(self, name: str, lookup: _Lookup) -> None:
        try:
            with self._places.place(name):
                if self._is_wanted(name, lookup):
                    self._ask(name, lambda answer: self._end(name, lookup, answer))
        finally:
            self._end(name, lookup, None)

    def _is_wanted(self, name: str, lookup: _Lookup) -> bool:
        """Return whether a caller still waits for the lookup; if not, drop it."""
        with self._lock:
            if not lookup.callers:
                del self._lookups[name]
            return bool(lookup.callers)

    def _end(self, name: str, lookup: _Lookup, answer: DnsAnswer | None) -> None:
        """Give the answer to the callers, and keep it.

        Args:
            name: the name that was looked up.
            lookup: its lookup.
            answer: None if the lookup was dropped, or ended by an unexpected exception.
        """
        with self._lock:
            if lookup.ended.is_set():
                return
            if answer is not None:
                lookup.answer = answer = answer._replace(addresses=_ordered(answer.addresses))
                self._cache.put(name, answer, self._clock())
            if self._lookups.get(name) is lookup:
                del self._lookups[name]
            lookup.ended.set()


def make_resolver(dns_servers: str = "") -> Resolver:
    """Return a resolver that reads the hosts file of this machine.

    Args:
        dns_servers: comma-separated DNS servers; empty for those of /etc/resolv.conf.

    Raises:
        ValueError: if `dns_servers` has an entry that is not an IP address with or without a port.
    """
    client = DnsClient(parse_servers(dns_servers))
    return Resolver(client.look_up, hosts=WatchedFile(HOSTS_FILE, parse_hosts).read)


def _normalized(host: str) -> str:
    return host.rstrip(".").lower()


def _ordered(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return the IPv4 addresses first, unless the machine can only use IPv6."""
    ipv4 = tuple(address for address in addresses if ":" not in address)
    ipv6 = tuple(address for address in addresses if ":" in address)
    if ipv4 and ipv6 and not _has_route_to_ipv4():
        return ipv6 + ipv4
    return ipv4 + ipv6


def _has_route_to_ipv4() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(
                ("192.0.2.1", 9)
            )  # A connected UDP socket sends nothing; the address is RFC 5737's.
        except OSError:
            return False
    return True
