"""Tests the slots (times of the next allowed requests) of hosts, and Retry-After, with a fake clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.fetching import NOON
from worker.host_slots import MAX_RETRY_AFTER_SECONDS, MEMORY_BYTES, HostSlots, parse_retry_after


def test_slots_of_a_host_are_a_delay_apart() -> None:
    """Each caller takes the next slot of a host, one delay after the last; other hosts are not affected."""
    slots = HostSlots()
    assert [slots.take("a", 2, now=10, max_wait=100) for _ in range(4)] == [0, 2, 4, 6]
    assert slots.take("b", 2, now=10, max_wait=100) == 0
    assert slots.take("a", 2, now=30, max_wait=100) == 0


def test_slot_beyond_max_wait_is_not_taken() -> None:
    """If the wait is longer than `max_wait`, the slot stays free for the next caller."""
    slots = HostSlots()
    assert slots.take("a", 5, now=0, max_wait=0) == 0
    assert slots.take("a", 5, now=0, max_wait=4) == 5
    assert slots.take("a", 5, now=0, max_wait=9) == 5


def test_host_is_blocked_for_its_retry_after() -> None:
    """A Retry-After blocks only its own host, and for `MAX_RETRY_AFTER_SECONDS` at most.

    A host that sent two of them is blocked until the later of the two times.
    """
    slots = HostSlots()
    slots.block("a", 60, now=0)
    slots.block("a", 10, now=1)
    assert slots.blocked_seconds("a", 20) == 40
    assert slots.blocked_seconds("b", 20) == 0
    assert slots.blocked_seconds("a", 61) == 0
    slots.block("a", 10**9, now=100)
    assert slots.blocked_seconds("a", 100) == MAX_RETRY_AFTER_SECONDS


def test_least_recently_used_hosts_are_evicted() -> None:
    """If the memory is full, the least recently used hosts are removed, but not a blocked host."""
    slots = HostSlots(bytearray(MEMORY_BYTES // 128))
    slots.block("blocked.example", 10_000, now=0)
    for number in range(1000):
        slots.take(f"{number}.example", 60, now=number, max_wait=100)
        slots.take("always.example", 0, now=number, max_wait=100)
    assert slots.take("always.example", 5, now=999, max_wait=100) == 5
    assert slots.take("0.example", 2000, now=999, max_wait=2000) == 0
    assert slots.blocked_seconds("blocked.example", 1000) == 9000


def test_shared_memory_shares_slots() -> None:
    """Two HostSlots with the same memory share the slots and the blocked hosts."""
    memory = bytearray(MEMORY_BYTES)
    first, second = HostSlots(memory), HostSlots(memory)
    assert [each.take("a", 2, now=10, max_wait=100) for each in (first, second, first)] == [0, 2, 4]
    first.block("a", 60, now=10)
    assert second.blocked_seconds("a", 20) == 50


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sunday, 22-Nov-26 12:01:00 GMT", 60),
        ("Sun Nov 22 12:01:00 2026", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 12:01:00 GMT", None),
        ("9" * 400, 86400),
    ],
)
def test_retry_after_is_parsed_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds and HTTP dates (RFC 9110 section 5.6.7) are read; an invalid value gives None."""
    assert datetime(2026, 11, 22, 12, tzinfo=UTC) == NOON
    assert parse_retry_after(header, "", NOON) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 22 Nov 2026 12:55:00 GMT", 300),
        ("Sunday, 22-Nov-26 12:55:00 GMT", 300),
        ("Sun, 22 Nov 2026 13:30:00 GMT", 0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 86400),
        ("", 3600),
        ("soon", 3600),
    ],
)
def test_date_of_retry_after_is_compared_with_the_date_of_the_response(date: str, seconds: float) -> None:
    """The seconds are those between two times of the site's clock, whatever time it is here.

    Only if the Date header is missing or invalid, Retry-After is compared with the time of the worker.
    """
    assert parse_retry_after("Sun, 22 Nov 2026 13:00:00 GMT", date, NOON) == seconds


@given(header=st.text() | st.datetimes().map(str), date=st.text() | st.datetimes().map(str))
def test_retry_after_of_any_text_is_parsed_or_ignored(header: str, date: str) -> None:
    """Whatever a site sends as Retry-After and Date, the result is None, or some seconds of a day."""
    seconds = parse_retry_after(header, date, NOON)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS
