"""Tests message ordering: push has one outstanding message per ordering key, streams have several."""

import sys
import tracemalloc
from types import FrameType

import pytest

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message_state import DEAD_LETTERED
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.ordering_keys import key_number
from localpubsub.backlog.retry_policy import RetryPolicy

NOW = 1_800_000_000.0
FIRST = int(NOW * 1e6) - 5_000_000
DEFAULT_POLICY = DeliveryPolicy(10, 86_400)
FIVE_ATTEMPTS = DeliveryPolicy(10, 86_400, dead_letter_policy=DeadLetterPolicy("projects/p/topics/dead", 5))


def backlog(keys: str, policy: DeliveryPolicy = DEFAULT_POLICY) -> OrderedBacklog:
    """Return a backlog with one message per character, which is its ordering key; "-" means no key."""
    new = OrderedBacklog(policy)
    numbers = [key_number(key.strip("-")) for key in keys]
    new.add_ordering_keys((FIRST + index, number) for index, number in enumerate(numbers) if number)
    new.enqueue(range(FIRST, FIRST + len(keys)))
    return new


def deliver_all(waiting: OrderedBacklog, now: float = NOW) -> dict[int, Lease]:
    """Lease all ready messages, as push does; return the leases by the index of their message, from 0."""
    leases = iter(lambda: waiting.deliver(now, now + 10), None)
    return {lease.message_id - FIRST: lease for lease in leases}


def test_one_message_per_ordering_key_is_outstanding() -> None:
    """The second message of a key is blocked until the ack of the first; no other message is blocked."""
    waiting = backlog("aab-b-")
    leases = deliver_all(waiting)
    assert sorted(leases) == [0, 2, 3, 5]
    assert len(waiting) == 6
    waiting.acknowledge(leases[0])
    assert sorted(deliver_all(waiting)) == [1]


@pytest.mark.parametrize("end", ["nack", "expire"])
def test_failed_message_is_redelivered_before_later_ones_of_its_ordering_key(end: str) -> None:
    """After a nack or an expired deadline, a message is redelivered before later messages of its key."""
    waiting = backlog("aaa")
    (lease,) = deliver_all(waiting).values()
    if end == "nack":
        waiting.nack(lease, NOW)
    else:
        waiting.expire_leases(NOW + 10)
    for index in range(3):
        leases = deliver_all(waiting, NOW + 10)
        assert list(leases) == [index]
        waiting.acknowledge(leases[index])
    assert len(waiting) == 0


def test_retry_policy_delays_the_whole_ordering_key() -> None:
    """During the backoff of a nacked message, no message of its key is delivered."""
    waiting = backlog("aab", DeliveryPolicy(10, 86_400, RetryPolicy(5, 5)))
    leases = deliver_all(waiting)
    waiting.nack(leases[0], NOW)
    assert deliver_all(waiting, NOW + 4.9) == {}
    assert list(deliver_all(waiting, NOW + 5)) == [0]


def test_dead_lettered_message_unblocks_its_ordering_key() -> None:
    """After a message was dead-lettered, the next message of its key is delivered."""
    waiting = backlog("aa", FIVE_ATTEMPTS)
    for attempt in range(1, 6):
        (lease,) = deliver_all(waiting).values()
        assert lease.attempt == attempt
        state = waiting.nack(lease, NOW)
    assert state == DEAD_LETTERED
    assert list(deliver_all(waiting)) == [1]


def test_cancelled_delivery_keeps_its_place_in_the_ordering_key() -> None:
    """After its delivery was cancelled, the first message of a key is delivered before the second."""
    waiting = backlog("aa")
    (lease,) = deliver_all(waiting).values()
    waiting.cancel_delivery(lease, NOW)
    assert list(deliver_all(waiting)) == [0]


def test_restart_keeps_the_order_of_an_ordering_key() -> None:
    """The message that was delivered before the restart is delivered first again."""
    waiting = OrderedBacklog(FIVE_ATTEMPTS)
    number = key_number("a")
    waiting.add_ordering_keys([(FIRST, number), (FIRST + 1, number)])
    waiting.load(FIRST, 2)
    waiting.load(FIRST + 1, 0)
    waiting.expire_leases(NOW)
    leases = deliver_all(waiting)
    assert {index: lease.attempt for index, lease in leases.items()} == {0: 3}


def test_restart_after_a_seek_makes_one_message_of_an_ordering_key_outstanding() -> None:
    """If two messages of a key were delivered before the restart, the second waits and keeps its attempts."""
    waiting = OrderedBacklog(FIVE_ATTEMPTS)
    number = key_number("a")
    waiting.add_ordering_keys([(FIRST, number), (FIRST + 1, number)])
    waiting.load(FIRST, 1)
    waiting.load(FIRST + 1, 3)
    waiting.expire_leases(NOW)
    leases = deliver_all(waiting)
    assert {index: lease.attempt for index, lease in leases.items()} == {0: 2}
    waiting.acknowledge(leases[0])
    assert {index: lease.attempt for index, lease in deliver_all(waiting).items()} == {1: 4}


class Stream:
    """A holder that takes several messages of a key."""

    takes_further = True

    def lease_ended(self, lease: Lease) -> None:
        """See LeaseHolder."""


def deliver_to(holder: Stream, waiting: OrderedBacklog, now: float = NOW) -> dict[int, Lease]:
    """Lease all messages that are ready for this stream; return the leases by the index of their message."""
    leases = iter(lambda: waiting.deliver(now, now + 10, holder), None)
    return {lease.message_id - FIRST: lease for lease in leases}


def test_stream_gets_the_messages_of_an_ordering_key_and_keeps_the_key() -> None:
    """One stream gets all messages of a key, and another only those of other keys."""
    waiting, stream, other = backlog("aaab"), Stream(), Stream()
    first = waiting.deliver(NOW, NOW + 10, stream)
    assert first is not None
    assert list(deliver_to(other, waiting)) == [3]
    leases = deliver_to(stream, waiting)
    assert list(leases) == [1, 2]
    for lease in (first, leases[1], leases[2]):
        waiting.acknowledge(lease)
    assert len(waiting) == 1


def test_stream_gets_messages_of_its_keys_and_of_others_by_their_age() -> None:
    """A stream with many waiting messages of its key gets older messages of other keys first."""
    waiting, stream = backlog("a-aab"), Stream()
    assert list(deliver_to(stream, waiting)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("streaming", [False, True], ids=["pull or push", "stream"])
def test_ordering_key_with_many_messages_does_not_starve_others(streaming: bool) -> None:
    """A message of another key has its turn, although the hot key always has a further message."""
    waiting, holder = backlog("a" * 5 + "b"), Stream() if streaming else None
    delivered: list[int] = []
    for later in range(20):
        lease = waiting.deliver(NOW, NOW + 10, holder)
        assert lease is not None
        delivered.append(lease.message_id - FIRST)
        waiting.acknowledge(lease)
        waiting.add_ordering_keys([(FIRST + 6 + later, key_number("a"))])
        waiting.enqueue([FIRST + 6 + later])
    assert 5 in delivered[: 6 if streaming else 2]


def test_nack_of_one_among_several_redelivers_the_later_ones_without_counting_them() -> None:
    """A nack ends the later leases of the key; all are redelivered in order, and one attempt is counted."""
    waiting, stream, other = backlog("aaaa", FIVE_ATTEMPTS), Stream(), Stream()
    leases = deliver_to(stream, waiting)
    assert waiting.acknowledge(leases[2]) is None
    assert waiting.nack(leases[1], NOW) == "waiting"
    assert [(lease.message_id - FIRST, state) for lease, state in waiting.further_ended()] == [
        (3, "waiting"),
        (2, "waiting"),
    ]
    assert waiting.acknowledge(leases[3]) is None
    assert deliver_to(other, waiting) == {}
    assert {index: lease.attempt for index, lease in deliver_to(stream, waiting).items()} == {
        1: 2,
        2: 1,
        3: 1,
    }


def test_acks_out_of_order_are_final_after_the_ack_of_the_first_message() -> None:
    """Messages that are acknowledged before an earlier one never expire, and are removed together with it."""
    waiting = backlog("aaab")
    leases = deliver_to(Stream(), waiting)
    assert [waiting.acknowledge(leases[index]) for index in (2, 1)] == [None, None]
    assert waiting.find_lease(leases[1].message_id, leases[1].number) is None
    waiting.modify_deadline(leases[0], NOW + 60)
    waiting.modify_deadline(leases[1], NOW + 5)
    assert [lease for lease, _ in waiting.expire_leases(NOW + 59)] == [leases[3]]
    assert waiting.acknowledge(leases[0]) == "acknowledged"
    assert [(lease.message_id - FIRST, state) for lease, state in waiting.further_ended()] == [
        (1, "acknowledged"),
        (2, "acknowledged"),
    ]
    assert len(waiting) == 1


def test_closed_stream_leaves_its_ordering_key_to_another_after_its_leases() -> None:
    """The key of a stream that has ended waits for its leases; then another stream gets the key."""
    waiting, stream, other = backlog("aaa"), Stream(), Stream()
    lease = waiting.deliver(NOW, NOW + 10, stream)
    assert lease is not None
    stream.takes_further = False
    waiting.close_holder(stream)
    assert deliver_to(other, waiting) == {}
    waiting.acknowledge(lease)
    assert list(deliver_to(other, waiting)) == [1, 2]


def test_nack_during_the_backoff_of_a_later_message_delays_both() -> None:
    """If the first message is nacked while the second waits for its next attempt, the first comes first."""
    waiting, stream = backlog("aa", DeliveryPolicy(10, 86_400, RetryPolicy(5, 5))), Stream()
    leases = deliver_to(stream, waiting)
    waiting.nack(leases[1], NOW)
    waiting.nack(leases[0], NOW + 1)
    assert deliver_to(stream, waiting, NOW + 5.9) == {}
    assert list(deliver_to(stream, waiting, NOW + 6)) == [0, 1]


def test_restart_after_a_seek_keeps_the_order_of_an_ordering_key() -> None:
    """After a seek to before its first message, a key starts with this message also after a restart.

    The first message was never delivered since the seek, so only later ones have a delivery count.
    """
    waiting = OrderedBacklog(FIVE_ATTEMPTS)
    number = key_number("a")
    waiting.add_ordering_keys((FIRST + index, number) for index in range(3))
    for index, attempts in enumerate((0, 1, 0)):
        waiting.load(FIRST + index, attempts)
    waiting.expire_leases(NOW)
    leases = deliver_to(Stream(), waiting)
    assert {index: lease.attempt for index, lease in leases.items()} == {0: 1, 1: 2, 2: 1}


def test_messages_past_retention_do_not_block_their_ordering_key() -> None:
    """Leading and blocked messages past the retention are dropped, and the next message is delivered."""
    waiting = backlog("aaab")
    (lease, _) = deliver_all(waiting).values()
    waiting.nack(lease, NOW)
    later = FIRST + int(90_000 * 1e6)
    waiting.add_ordering_keys([(later, key_number("a"))])
    waiting.enqueue([later])
    assert sorted(number - FIRST for number in waiting.drop_expired(later)) == [0, 1, 2]
    assert [waiting.deliver(NOW + 90_000, NOW + 90_010).message_id, len(waiting)] == [later, 2]  # type: ignore[union-attr]  # a message is ready, so this is not None


def test_many_messages_of_one_ordering_key_are_examined_in_steps() -> None:
    """A long queue of one key is examined in several steps, and next_event() requests the next step."""
    waiting = backlog("a" * 10_000 + "b")
    (first,) = deliver_all(waiting).values()
    assert waiting.next_event() == 0.0
    steps = 0
    while not waiting.ready(NOW):
        steps += 1
    assert steps < 10
    assert list(deliver_all(waiting)) == [10_000]
    waiting.acknowledge(first)
    assert list(deliver_all(waiting)) == [1]


def test_ordered_backlog_has_constant_cost_per_message() -> None:
    """With 30,000 messages, each takes less than 40 bytes, and its delivery fewer than 100 function calls."""
    tracemalloc.start()
    waiting = OrderedBacklog(DEFAULT_POLICY)
    count = 30_000
    waiting.add_ordering_keys((number, 1 + number % 1000) for number in range(FIRST, FIRST + count))
    waiting.enqueue(range(FIRST, FIRST + count))
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    # Other threads of this process allocate memory, too.
    ours = snapshot.filter_traces([tracemalloc.Filter(True, "*/localpubsub/backlog/*")])
    assert 0 < sum(trace.size for trace in ours.traces) / count < 40
    calls = 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    delivered = 0
    sys.setprofile(count_call)
    try:
        while lease := waiting.deliver(NOW, NOW + 10):
            waiting.acknowledge(lease)
            delivered += 1
    finally:
        sys.setprofile(None)
    assert (delivered, len(waiting)) == (count, 0)
    assert calls / count < 100
