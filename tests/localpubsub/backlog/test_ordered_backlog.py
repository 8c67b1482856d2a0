"""One message of each ordering key at a time, held against Pub/Sub's documentation."""

import time
import tracemalloc

import pytest

from localpubsub.backlog.backlog import DEAD_LETTERED, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.ordered_backlog import OrderedBacklog, key_number
from localpubsub.backlog.retry_policy import RetryPolicy

NOW = 1_800_000_000.0
FIRST = int(NOW * 1e6) - 5_000_000
PLAIN = DeliveryPolicy(10, 86_400)
FIVE = DeliveryPolicy(10, 86_400, dead_letter_policy=DeadLetterPolicy("projects/p/topics/dead", 5))


def backlog(keys: str, terms: DeliveryPolicy = PLAIN) -> OrderedBacklog:
    """A message for each letter, with that key; "-" stands for none."""
    made = OrderedBacklog(terms)
    numbers = [key_number(key.strip("-")) for key in keys]
    made.add_ordering_keys((FIRST + index, number, 0) for index, number in enumerate(numbers) if number)
    made.enqueue(range(FIRST, FIRST + len(keys)))
    return made


def deliver_all(waiting: OrderedBacklog, now: float = NOW) -> dict[int, Lease]:
    """Every lease to be had, by the place of its message."""
    leases = iter(lambda: waiting.deliver(now, now + 10), None)
    return {lease.message_id - FIRST: lease for lease in leases}


def test_one_of_each_key_is_out_and_unkeyed_messages_flow() -> None:
    """A key's second message waits for the ack of its first; no other does."""
    waiting = backlog("aab-b-")
    leases = deliver_all(waiting)
    assert sorted(leases) == [0, 2, 3, 5]
    assert len(waiting) == 6
    waiting.acknowledge(leases[0])
    assert sorted(deliver_all(waiting)) == [1]


@pytest.mark.parametrize("end", ["nack", "expire"])
def test_what_failed_comes_again_before_those_behind_it(end: str) -> None:
    """After a nack or expiry of one, later ones of its key wait."""
    waiting = backlog("aaa")
    (lease,) = deliver_all(waiting).values()
    if end == "nack":
        waiting.nack(lease, NOW)
    else:
        waiting.expire_leases(NOW + 10)
    for place in range(3):
        leases = deliver_all(waiting, NOW + 10)
        assert list(leases) == [place]
        waiting.acknowledge(leases[place])
    assert len(waiting) == 0


def test_a_key_waits_out_the_backoff_of_its_first() -> None:
    """A retry policy delays the whole key, and no other."""
    waiting = backlog("aab", DeliveryPolicy(10, 86_400, RetryPolicy(5, 5)))
    leases = deliver_all(waiting)
    waiting.nack(leases[0], NOW)
    assert deliver_all(waiting, NOW + 4.9) == {}
    assert list(deliver_all(waiting, NOW + 5)) == [0]


def test_a_burial_sets_the_key_free() -> None:
    """With a dead-letter policy the key goes on after its dead letter."""
    waiting = backlog("aa", FIVE)
    for attempt in range(1, 6):
        (lease,) = deliver_all(waiting).values()
        assert lease.attempt == attempt
        state = waiting.nack(lease, NOW)
    assert state == DEAD_LETTERED
    assert list(deliver_all(waiting)) == [1]


def test_what_is_taken_back_keeps_its_place() -> None:
    """A lease that was never sent changes no order."""
    waiting = backlog("aa")
    (lease,) = deliver_all(waiting).values()
    waiting.cancel_delivery(lease, NOW)
    assert list(deliver_all(waiting)) == [0]


def test_a_restart_keeps_the_order() -> None:
    """The first of a key had been delivered: it goes first again."""
    waiting = OrderedBacklog(FIVE)
    number = key_number("a")
    waiting.add_ordering_keys([(FIRST, number, 2), (FIRST + 1, number, 0)])
    waiting.load(FIRST, 2)
    waiting.load(FIRST + 1, 0)
    waiting.expire_leases(NOW)
    leases = deliver_all(waiting)
    assert {place: lease.attempt for place, lease in leases.items()} == {0: 3}


def test_what_is_too_old_holds_nobody_up() -> None:
    """Retention ends messages that lead their key, and those behind, alike."""
    waiting = backlog("aaab")
    (lease, _) = deliver_all(waiting).values()
    waiting.nack(lease, NOW)
    later = FIRST + int(90_000 * 1e6)
    waiting.add_ordering_keys([(later, key_number("a"), 0)])
    waiting.enqueue([later])
    assert sorted(number - FIRST for number in waiting.drop_expired(NOW + 86_401)) == [0, 1, 2]
    assert [waiting.deliver(NOW + 90_000, NOW + 90_010).message_id, len(waiting)] == [later, 2]  # type: ignore[union-attr]  # there is one


def test_a_long_queue_behind_one_key_is_looked_at_in_pieces() -> None:
    """Nobody else waits while a million messages line up; the next look is due at once."""
    waiting = backlog("a" * 10_000 + "b")
    (first,) = deliver_all(waiting).values()
    assert waiting.next_event() == 0.0
    looks = 0
    while not waiting.ready(NOW):
        looks += 1
    assert looks < 10
    assert list(deliver_all(waiting)) == [10_000]
    waiting.acknowledge(first)
    assert list(deliver_all(waiting)) == [1]


def test_a_million_keyed_messages_are_three_million_integers() -> None:
    """Only active keys have a state, and each step takes the same time however long the backlog is."""
    tracemalloc.start()
    waiting = OrderedBacklog(PLAIN)
    count = 200_000
    waiting.add_ordering_keys((number, 1 + number % 1000, 0) for number in range(FIRST, FIRST + count))
    waiting.enqueue(range(FIRST, FIRST + count))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / count < 40
    began = time.perf_counter()
    delivered = 0
    while lease := waiting.deliver(NOW, NOW + 10):
        waiting.acknowledge(lease)
        delivered += 1
    assert (delivered, len(waiting)) == (count, 0)
    assert (time.perf_counter() - began) / count < 50e-6
