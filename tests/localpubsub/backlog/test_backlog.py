"""The life of a message on a subscription, held against Pub/Sub's documentation."""

import pytest

from localpubsub.backlog.backlog import (
    ACKNOWLEDGED,
    DEAD_LETTERED,
    EXPIRED,
    NEXT,
    OUTSTANDING,
    WAITING,
    Backlog,
    DeliveryPolicy,
)
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.retry_policy import RetryPolicy

DAY = 86_400.0
PLAIN = DeliveryPolicy(ack_deadline=10, retention=7 * DAY)
FIVE = DeliveryPolicy(10, 7 * DAY, dead_letter_policy=DeadLetterPolicy("projects/p/topics/dead", 5))
NOW = 1_800_000_000.0
#: Ids are the microseconds of publishing: these were published just before NOW.
FIRST = int(NOW * 1e6) - 1000


def backlog(count: int = 1, terms: DeliveryPolicy = PLAIN) -> Backlog:
    """With ``count`` messages waiting."""
    made = Backlog(terms)
    made.enqueue(range(FIRST, FIRST + count))
    return made


def deliver(waiting: Backlog, now: float = NOW) -> Lease:
    """The next message, leased for ten seconds."""
    lease = waiting.deliver(now, now + 10)
    assert lease is not None
    return lease


def test_messages_are_delivered_in_the_order_of_publishing() -> None:
    """Nothing promises it, but first come first served is what everybody expects."""
    waiting = backlog(3)
    assert [deliver(waiting).message_id for _ in range(3)] == [FIRST, FIRST + 1, FIRST + 2]
    assert waiting.deliver(NOW, NOW + 10) is None


def test_a_message_outstanding_is_not_delivered_again() -> None:
    """A lease belongs to one subscriber until it ends."""
    waiting = backlog()
    deliver(waiting)
    assert waiting.ready(NOW + 9.9) == 0
    assert len(waiting) == 1


def test_an_acknowledged_message_never_comes_back() -> None:
    """An ack within the deadline ends the message's life."""
    waiting = backlog()
    assert waiting.acknowledge(deliver(waiting)) == ACKNOWLEDGED
    assert waiting.expire_leases(NOW + DAY) == []
    assert (len(waiting), waiting.ready(NOW + DAY)) == (0, 0)


def test_a_late_ack_does_not_undo_the_redelivery() -> None:
    """https://cloud.google.com/pubsub/docs/lease-management: the message is redelivered."""
    waiting = backlog()
    late = deliver(waiting)
    waiting.expire_leases(NOW + 10)
    assert waiting.acknowledge(late) is None
    assert waiting.nack(late, NOW + 10) is None
    again = deliver(waiting, NOW + 10)
    assert (again.message_id, again.attempt) == (late.message_id, 2)


def test_a_deadline_expires_at_its_time_and_not_before() -> None:
    """Ten seconds are ten seconds."""
    waiting = backlog()
    lease = deliver(waiting)
    assert waiting.expire_leases(NOW + 9.999) == []
    assert waiting.next_event() == NOW + 10
    assert waiting.expire_leases(NOW + 10) == [(lease, WAITING)]


@pytest.mark.parametrize("seconds", [3, 60])
def test_an_extended_deadline_counts_instead_of_the_old(seconds: float) -> None:
    """ModifyAckDeadline moves the deadline later and earlier alike."""
    waiting = backlog()
    lease = deliver(waiting)
    waiting.modify_deadline(lease, NOW + seconds)
    assert waiting.expire_leases(NOW + seconds - 0.001) == []
    assert waiting.expire_leases(NOW + seconds) == [(lease, WAITING)]


def test_an_ended_lease_cannot_be_extended() -> None:
    """An old ack id has no power over a newer delivery of the same message."""
    waiting = backlog()
    old = deliver(waiting)
    waiting.nack(old, NOW)
    new = deliver(waiting)
    waiting.modify_deadline(old, NOW + 600)
    assert waiting.find_lease(new.message_id, new.attempt) is new
    assert waiting.find_lease(old.message_id, old.attempt) is None
    assert waiting.expire_leases(NOW + 10) == [(new, WAITING)]


def test_without_a_retry_policy_a_refused_message_is_ready_at_once() -> None:
    """proto: RetryPolicy: if not set, as soon as possible."""
    waiting = backlog()
    waiting.nack(deliver(waiting), NOW)
    assert waiting.ready(NOW) == 1


def test_with_a_retry_policy_each_message_waits_for_itself() -> None:
    """Exponential backoff from minimum to maximum for each message; others are not held up."""
    waiting = backlog(2, DeliveryPolicy(10, 7 * DAY, RetryPolicy(10, 25)))
    now = NOW
    for delay in (10, 20, 25, 25):
        lease = deliver(waiting, now)
        assert lease.message_id == FIRST
        waiting.nack(lease, now)
        assert waiting.next_event() == now + delay
        assert waiting.ready(now + delay - 0.001) == 1
        now += delay
    assert waiting.ready(now) == 2


@pytest.mark.parametrize("end", ["nack", "expire"])
def test_nacks_and_expiries_count_alike(end: str) -> None:
    """Attempts are 1 + nacks + expired deadlines; the fifth failure buries."""
    waiting = backlog(terms=FIVE)
    now = NOW
    states = []
    for attempt in range(1, 6):
        lease = deliver(waiting, now)
        assert lease.attempt == attempt
        now += 10
        states.append(waiting.nack(lease, now) if end == "nack" else waiting.expire_leases(now)[0][1])
    assert states == [WAITING] * 4 + [DEAD_LETTERED]
    assert len(waiting) == 0


def test_what_was_never_sent_is_no_attempt() -> None:
    """A lease taken back leaves the count, and the place in the queue, as they were."""
    waiting = backlog(2, FIVE)
    waiting.cancel_delivery(deliver(waiting), NOW)
    again = deliver(waiting)
    assert (again.message_id, again.attempt) == (FIRST, 1)


def test_a_message_too_old_is_forgotten() -> None:
    """Fresh, delayed and refused messages go; an outstanding one may still be acked."""
    waiting = backlog(4, DeliveryPolicy(10, 600, RetryPolicy(10, 600)))
    delayed, outstanding = deliver(waiting), deliver(waiting)
    waiting.nack(delayed, NOW)
    assert waiting.drop_expired(NOW + 599) == []
    assert sorted(waiting.drop_expired(NOW + 601)) == [FIRST, FIRST + 2, FIRST + 3]
    assert waiting.acknowledge(outstanding) == ACKNOWLEDGED
    assert len(waiting) == 0


def test_a_restart_counts_the_delivery_it_cut_short() -> None:
    """So that max_delivery_attempts holds across restarts: the lease comes back as one that has run out."""
    waiting = Backlog(FIVE)
    waiting.load(FIRST, 4)
    waiting.load(FIRST + 1, 5)
    waiting.load(FIRST + 2, 0)
    assert sorted((lease.message_id, state) for lease, state in waiting.expire_leases(NOW)) == [
        (FIRST, WAITING),
        (FIRST + 1, DEAD_LETTERED),
    ]
    assert [deliver(waiting).attempt for _ in range(2)] == [5, 1]


def test_stale_deadlines_do_not_pile_up() -> None:
    """With a deadline of ten minutes a fast subscriber would else keep millions of them in memory."""
    waiting = backlog(20_000)
    for _ in range(20_000):
        waiting.acknowledge(deliver(waiting))
        waiting.next_event()
    assert len(waiting._deadlines) < 5_000  # noqa: SLF001 - memory is the promise, and has no other face


def test_the_table_knows_only_states_with_a_way_out_or_an_end() -> None:
    """Every state but the three ends can be left, and nothing leaves an end."""
    assert {state for state, _ in NEXT} == {WAITING, OUTSTANDING}
    assert set(NEXT.values()) == {WAITING, OUTSTANDING, ACKNOWLEDGED, DEAD_LETTERED, EXPIRED}
