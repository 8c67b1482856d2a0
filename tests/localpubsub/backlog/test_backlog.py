"""Tests the states of a message on a subscription, as Pub/Sub's documentation describes them."""

import pytest

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message_state import ACKNOWLEDGED, DEAD_LETTERED, EXPIRED, NEXT, OUTSTANDING, WAITING
from localpubsub.backlog.retry_policy import RetryPolicy

DAY = 86_400.0
DEFAULT_POLICY = DeliveryPolicy(ack_deadline=10, retention=7 * DAY)
FIVE_ATTEMPTS = DeliveryPolicy(10, 7 * DAY, dead_letter_policy=DeadLetterPolicy("projects/p/topics/dead", 5))
NOW = 1_800_000_000.0
#: Id of the first message. An id is the publish time in microseconds since 1970, here 1 ms before NOW.
FIRST = int(NOW * 1e6) - 1000


def backlog(count: int = 1, policy: DeliveryPolicy = DEFAULT_POLICY) -> Backlog:
    """Return a backlog with ``count`` waiting messages."""
    new = Backlog(policy)
    new.enqueue(range(FIRST, FIRST + count))
    return new


def deliver(waiting: Backlog, now: float = NOW) -> Lease:
    """Lease the next message for ten seconds."""
    lease = waiting.deliver(now, now + 10)
    assert lease is not None
    return lease


def test_messages_are_delivered_in_publish_order() -> None:
    """Messages without ordering keys are delivered in publish order, which Pub/Sub does not promise."""
    waiting = backlog(3)
    assert [deliver(waiting).message_id for _ in range(3)] == [FIRST, FIRST + 1, FIRST + 2]
    assert waiting.deliver(NOW, NOW + 10) is None


def test_outstanding_message_is_not_delivered_again() -> None:
    """A message is not ready while it is leased to a subscriber."""
    waiting = backlog()
    deliver(waiting)
    assert waiting.ready(NOW + 9.9) == 0
    assert len(waiting) == 1


def test_acknowledged_message_is_not_redelivered() -> None:
    """A message that is acknowledged within its deadline is removed."""
    waiting = backlog()
    assert waiting.acknowledge(deliver(waiting)) == ACKNOWLEDGED
    assert waiting.expire_leases(NOW + DAY) == []
    assert (len(waiting), waiting.ready(NOW + DAY)) == (0, 0)


def test_late_ack_does_not_prevent_redelivery() -> None:
    """A message whose ack arrives after its deadline is redelivered.

    https://cloud.google.com/pubsub/docs/lease-management
    """
    waiting = backlog()
    late = deliver(waiting)
    waiting.expire_leases(NOW + 10)
    assert waiting.acknowledge(late) is None
    assert waiting.nack(late, NOW + 10) is None
    again = deliver(waiting, NOW + 10)
    assert (again.message_id, again.attempt) == (late.message_id, 2)


def test_lease_expires_at_its_ack_deadline() -> None:
    """A lease of ten seconds ends after ten seconds, and not before."""
    waiting = backlog()
    lease = deliver(waiting)
    assert waiting.expire_leases(NOW + 9.999) == []
    assert waiting.next_event() == NOW + 10
    assert waiting.expire_leases(NOW + 10) == [(lease, WAITING)]


@pytest.mark.parametrize("seconds", [3, 60])
def test_modified_ack_deadline_replaces_the_old_one(seconds: float) -> None:
    """ModifyAckDeadline moves a deadline to a later or an earlier time."""
    waiting = backlog()
    lease = deliver(waiting)
    waiting.modify_deadline(lease, NOW + seconds)
    assert waiting.expire_leases(NOW + seconds - 0.001) == []
    assert waiting.expire_leases(NOW + seconds) == [(lease, WAITING)]


def test_ack_deadline_of_an_ended_lease_is_not_modified() -> None:
    """Changing the deadline of an ended lease does not change the current lease of the same message."""
    waiting = backlog()
    old = deliver(waiting)
    waiting.nack(old, NOW)
    new = deliver(waiting)
    waiting.modify_deadline(old, NOW + 600)
    assert waiting.find_lease(new.message_id, new.number) is new
    assert waiting.find_lease(old.message_id, old.number) is None
    assert waiting.expire_leases(NOW + 10) == [(new, WAITING)]


def test_nacked_message_is_ready_immediately_without_retry_policy() -> None:
    """Without a retry policy, a nacked message is ready immediately (proto: Subscription.retry_policy)."""
    waiting = backlog()
    waiting.nack(deliver(waiting), NOW)
    assert waiting.ready(NOW) == 1


def test_retry_policy_delays_each_message_separately() -> None:
    """Each message has a separate exponential backoff, which does not delay other messages."""
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
def test_fifth_failed_attempt_is_dead_lettered(end: str) -> None:
    """Nacks and expired deadlines count towards max_delivery_attempts."""
    waiting = backlog(policy=FIVE_ATTEMPTS)
    now = NOW
    states = []
    for attempt in range(1, 6):
        lease = deliver(waiting, now)
        assert lease.attempt == attempt
        now += 10
        states.append(waiting.nack(lease, now) if end == "nack" else waiting.expire_leases(now)[0][1])
    assert states == [WAITING] * 4 + [DEAD_LETTERED]
    assert len(waiting) == 0


def test_cancelled_delivery_is_not_counted_as_an_attempt() -> None:
    """After its delivery was cancelled, a message is next again, with the same attempt number."""
    waiting = backlog(2, FIVE_ATTEMPTS)
    waiting.cancel_delivery(deliver(waiting), NOW)
    again = deliver(waiting)
    assert (again.message_id, again.attempt) == (FIRST, 1)


def test_messages_past_retention_are_dropped() -> None:
    """New and delayed messages below the oldest retained id are dropped, but outstanding ones are not."""
    waiting = backlog(4, DeliveryPolicy(10, 600, RetryPolicy(10, 600)))
    delayed, outstanding = deliver(waiting), deliver(waiting)
    waiting.nack(delayed, NOW)
    assert waiting.drop_expired(FIRST) == []
    assert sorted(waiting.drop_expired(FIRST + 4)) == [FIRST, FIRST + 2, FIRST + 3]
    assert waiting.acknowledge(outstanding) == ACKNOWLEDGED
    assert len(waiting) == 0


def test_restart_counts_outstanding_deliveries_as_attempts() -> None:
    """After a restart, the deliveries that were outstanding before it count as failed attempts."""
    waiting = Backlog(FIVE_ATTEMPTS)
    waiting.load(FIRST, 4)
    waiting.load(FIRST + 1, 5)
    waiting.load(FIRST + 2, 0)
    assert sorted((lease.message_id, state) for lease, state in waiting.expire_leases(NOW)) == [
        (FIRST, WAITING),
        (FIRST + 1, DEAD_LETTERED),
    ]
    assert [deliver(waiting).attempt for _ in range(2)] == [5, 1]


def test_stale_deadlines_do_not_accumulate() -> None:
    """The deadlines of acknowledged messages are removed from memory before they pass."""
    waiting = backlog(20_000)
    for _ in range(20_000):
        waiting.acknowledge(deliver(waiting))
        waiting.next_event()
    assert len(waiting._deadlines) < 5_000  # noqa: SLF001 - only the attribute shows the memory use


def test_final_states_have_no_transitions() -> None:
    """Only waiting and outstanding messages change their state; the other three states are final."""
    assert {state for state, _ in NEXT} == {WAITING, OUTSTANDING}
    assert set(NEXT.values()) == {WAITING, OUTSTANDING, ACKNOWLEDGED, DEAD_LETTERED, EXPIRED}
