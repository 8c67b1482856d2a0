"""Tests of the check that connections can leave a service."""

import logging

import pytest

from runtime.egress import MAX_OUTSIDE_SECONDS, Egress, parse_addresses

PUBSUB, FIRST, SECOND = "pubsub.example:443", "first.example:443", "second.example:443"


class Network:
    """A network in which some hosts can be reached, at times that a test sets.

    Attributes:
        reachable_at: the second from which a host can be reached; a host that is missing never can.
        now: seconds since the start; a pause lets them pass.
    """

    def __init__(self, **reachable_at: float) -> None:
        self.reachable_at = {f"{name}.example:443": at for name, at in reachable_at.items()}
        self.now = 0.0

    def connect(self, address: str) -> None:
        """Raise TimeoutError if the host cannot be reached now."""
        if self.now < self.reachable_at.get(address, float("inf")):
            raise TimeoutError

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        assert self.now < 2 * MAX_OUTSIDE_SECONDS, "the check does not end"

    def egress(self, *outside: str) -> Egress:
        """Return a check in this network."""
        return Egress(PUBSUB, outside, connect=self.connect, clock=lambda: self.now, sleep=self.sleep)


def test_check_ends_when_pubsub_and_one_outside_host_were_reached() -> None:
    """The check waits for Pub/Sub and for the first of the outside hosts, not for both of them."""
    network = Network(pubsub=70, second=75)
    egress = network.egress(FIRST, SECOND)
    egress.watch()
    assert egress.waiting_for() == []
    assert 75 <= network.now < MAX_OUTSIDE_SECONDS


def test_outside_hosts_that_are_down_do_not_stop_a_start(caplog: pytest.LogCaptureFixture) -> None:
    """If Pub/Sub can be reached and no outside host, the check ends after its time, with a warning."""
    network = Network(pubsub=1)
    with caplog.at_level(logging.WARNING):
        network.egress(FIRST, SECOND).watch()
    assert network.now >= MAX_OUTSIDE_SECONDS
    assert [record.message for record in caplog.records] == ["outside_unreachable"]


def test_pubsub_is_awaited_without_a_limit() -> None:
    """A service that cannot reach Pub/Sub does not start, also after the time for outside hosts."""
    network = Network(pubsub=1.5 * MAX_OUTSIDE_SECONDS)
    network.egress(FIRST).watch()
    assert network.now >= 1.5 * MAX_OUTSIDE_SECONDS


def test_without_outside_hosts_nothing_is_checked() -> None:
    """A service without outside hosts starts immediately, and makes no connection."""
    assert Network().egress().waiting_for() == []


@pytest.mark.parametrize(
    "text", ["one.one.one.one", "https://a.example:443", "a.example:0", "a.example:65536"]
)
def test_an_invalid_address_is_rejected(text: str) -> None:
    """An address without a port, with a scheme or with an impossible port is rejected."""
    with pytest.raises(ValueError, match="is not host:port, for example"):
        parse_addresses(f"one.one.one.one:443, {text}")


def test_addresses_are_separated_by_commas() -> None:
    """Names and IP addresses with ports are accepted; an empty text is none."""
    assert parse_addresses("a.example:443, 1.1.1.1:53,[2606:4700::1111]:443") == (
        "a.example:443",
        "1.1.1.1:53",
        "[2606:4700::1111]:443",
    )
    assert parse_addresses("") == ()
