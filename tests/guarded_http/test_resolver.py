"""Tests which lookups are shared, kept, limited and given up, with a clock and DNS answers of the test."""

import threading
from collections.abc import Callable
from threading import Event, Lock, Thread

import pytest

from guarded_http import resolver as resolver_module
from guarded_http.dns_answers import AnswerCache, DnsAnswer, absent, failed, found
from guarded_http.lookup_places import LookupPlaces
from guarded_http.resolver import Resolver
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.worker.fetching import FakeClock

LONG = MAX_WAIT_SECONDS
ANSWER = found(("192.0.2.1",), 60)


class FakeDns:
    """Answers queries as a test chooses; it can hold those below a domain until `released` is set.

    Attributes:
        answer: the answer to each query.
        queries: the names that were asked for, in order.
        held: names with this ending are not answered before `released` is set.
    """

    def __init__(self, answer: DnsAnswer = ANSWER, held: str = "none") -> None:
        self.answer = answer
        self.queries = list[str]()
        self.held = held
        self.released = Event()
        self._lock = Lock()

    def __call__(self, host: str, publish: Callable[[DnsAnswer], object]) -> None:
        """Answer a query."""
        with self._lock:
            self.queries.append(host)
        if host.endswith(self.held):
            assert self.released.wait(LONG)
        publish(self.answer)


def look_up_in_threads(resolver: Resolver, names: list[str]) -> tuple[list[Thread], list[DnsAnswer | None]]:
    """Look up the names at the same time; return the threads and the list that gets the answers."""
    answers = list[DnsAnswer | None]()
    threads = [
        Thread(target=lambda name=name: answers.append(resolver.look_up(name, LONG))) for name in names
    ]
    for thread in threads:
        thread.start()
    return threads, answers


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [(ANSWER, 60), (absent("NXDOMAIN", 20), 20), (failed("SERVFAIL"), 10)],
)
def test_answer_is_kept_for_its_time(answer: DnsAnswer, seconds: int) -> None:
    """Addresses, the absence of a name and failures are kept for their time, and then looked up again."""
    clock, dns = FakeClock(), FakeDns(answer)
    resolver = Resolver(dns, clock=clock)
    assert resolver.known("shop.example") is None
    assert resolver.look_up("shop.example", LONG) == answer
    clock.seconds += seconds - 1
    assert resolver.look_up("Shop.Example.", LONG) == resolver.known("shop.example") == answer
    assert dns.queries == ["shop.example"]
    clock.seconds += 1
    assert resolver.known("shop.example") is None
    assert resolver.look_up("shop.example", LONG) == answer
    assert dns.queries == ["shop.example"] * 2


def test_number_of_kept_names_is_bounded() -> None:
    """A crawl of very many hosts keeps the answers of the last ones only."""
    cache = AnswerCache(max_names=5)
    resolver = Resolver(FakeDns(), cache=cache, clock=FakeClock())
    for number in range(20):
        resolver.look_up(f"shop{number}.example", LONG)
    assert len(cache) == 5
    assert resolver.known("shop19.example")
    assert resolver.known("shop0.example") is None


def test_concurrent_lookups_of_a_name_are_one_lookup() -> None:
    """Many callers that need the same name at the same time share one lookup."""
    dns = FakeDns(held="example")
    resolver = Resolver(dns)
    threads, answers = look_up_in_threads(resolver, ["shop.example", "SHOP.example."] * 10)
    wait_until(lambda: _callers(resolver, "shop.example") == 20, "all callers wait")
    dns.released.set()
    for thread in threads:
        thread.join(LONG)
    assert answers == [ANSWER] * 20
    assert dns.queries == ["shop.example"]


def test_names_of_a_silent_domain_wait_only_for_each_other() -> None:
    """If lookups below one domain hang, at most `per_domain` are under way, and other names are looked up."""
    dns = FakeDns(held=".dead.example")
    resolver = Resolver(dns, places=LookupPlaces(total=4, per_domain=2))
    threads, answers = look_up_in_threads(resolver, [f"{number}.dead.example" for number in range(10)])
    wait_until(lambda: len(dns.queries) == 2, "two lookups of the domain are under way")
    for number in range(5):
        assert resolver.look_up(f"{number}.shop.example", LONG) == ANSWER
    assert sum(name.endswith(".dead.example") for name in dns.queries) == 2
    dns.released.set()
    for thread in threads:
        thread.join(LONG)
    assert answers == [ANSWER] * 10


def test_lookup_of_a_caller_that_gives_up_is_finished_and_gives_its_place_back() -> None:
    """A lookup under way goes on without its caller; its answer is kept, and its place is free again."""
    dns = FakeDns(held="example")
    places = LookupPlaces(total=1, per_domain=1)
    resolver = Resolver(dns, places=places)
    assert resolver.look_up("shop.example", 0.01) is None
    wait_until(lambda: dns.queries == ["shop.example"], "the lookup is under way")
    dns.released.set()
    wait_until(lambda: resolver.known("shop.example") == ANSWER, "the answer is kept")
    assert resolver.look_up("other.example", LONG) == ANSWER
    wait_until(lambda: not len(places), "no lookup has a place")


def test_lookup_that_nobody_waits_for_any_more_is_not_begun() -> None:
    """If all callers give up before a lookup gets a place, it is dropped; a later caller starts it again."""
    dns = FakeDns(held="dead.example")
    places = LookupPlaces(total=1, per_domain=1)
    resolver = Resolver(dns, places=places)
    threads, _ = look_up_in_threads(resolver, ["1.dead.example"])
    wait_until(lambda: dns.queries == ["1.dead.example"], "the first lookup is under way")
    assert resolver.look_up("2.dead.example", 0.01) is None
    dns.released.set()
    threads[0].join(LONG)
    wait_until(lambda: not len(places), "no lookup has a place")
    assert dns.queries == ["1.dead.example"]
    assert resolver.look_up("2.dead.example", LONG) == ANSWER
    assert dns.queries == ["1.dead.example", "2.dead.example"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "shop.localhost"])
def test_localhost_is_loopback_without_a_query(host: str) -> None:
    """`localhost` and the names below it are the loopback addresses (RFC 6761), and are never asked for."""
    dns = FakeDns()
    answer = Resolver(dns).look_up(host, LONG)
    assert answer is not None
    assert set(answer.addresses) == {"127.0.0.1", "::1"}
    assert dns.queries == []


def test_name_of_the_hosts_file_needs_no_query() -> None:
    """A name in the hosts file has the addresses of that file, also after the file has changed."""
    dns = FakeDns()
    hosts: dict[str, tuple[str, ...]] = {"shop.example": ("10.0.0.7",)}
    resolver = Resolver(dns, hosts=lambda: hosts)
    assert resolver.known("Shop.example.") == found(("10.0.0.7",), 0)
    hosts["shop.example"] = ("10.0.0.8",)
    assert resolver.look_up("shop.example", LONG) == found(("10.0.0.8",), 0)
    assert dns.queries == []


@pytest.mark.parametrize(
    ("has_ipv4", "addresses"),
    [
        (True, ("192.0.2.1", "192.0.2.2", "2001:db8::1")),
        (False, ("2001:db8::1", "192.0.2.1", "192.0.2.2")),
    ],
)
def test_ipv4_is_tried_first_unless_the_machine_has_only_ipv6(
    monkeypatch: pytest.MonkeyPatch, has_ipv4: bool, addresses: tuple[str, ...]
) -> None:
    """The addresses that the machine can reach come first; among them IPv4."""
    monkeypatch.setattr(resolver_module, "_has_route_to_ipv4", lambda: has_ipv4)
    answer = found(("192.0.2.1", "2001:db8::1", "192.0.2.2"), 60)
    assert Resolver(FakeDns(answer)).look_up("shop.example", LONG) == found(addresses, 60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_lookup_that_raises_ends_for_all_callers() -> None:
    """An unexpected exception in a lookup leaves no caller waiting, and the next caller tries again."""
    failures = 1

    def ask(host: str, publish: Callable[[DnsAnswer], object]) -> None:
        nonlocal failures
        del host
        if failures:
            failures -= 1
            raise RuntimeError("a bug")
        publish(ANSWER)

    resolver = Resolver(ask)
    assert resolver.look_up("shop.example", LONG) is None
    assert resolver.look_up("shop.example", LONG) == ANSWER
    for thread in threading.enumerate():  # pytest must see the exception before the next test begins
        if thread.name == "lookup":
            thread.join(LONG)


def _callers(resolver: Resolver, name: str) -> int:
    lookup = resolver._lookups.get(name)  # noqa: SLF001 - nothing else shows who waits
    return lookup.callers if lookup else 0
