"""Tests an ordered backlog with random sequences of deliveries, acks, nacks, restarts and seeks."""

import os
from random import Random
from typing import TYPE_CHECKING, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.message_state import ACKNOWLEDGED, DEAD_LETTERED, WAITING, MessageState
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.broker.seek import refill

if TYPE_CHECKING:
    from localpubsub.backlog.lease import Lease

NOW: Final = 1_800_000_000.0
DEADLINE: Final = 10.0
MAX_ATTEMPTS: Final = 5
KEYS: Final = st.sampled_from([0, 1, 2])  # 0 means no key
STREAMS: Final = 2


class Consumer:
    """A stream, or a push subscription, which does not take further messages of a key."""

    def __init__(self, *, takes_further: bool) -> None:
        self.takes_further = takes_further

    def lease_ended(self, lease: "Lease") -> None:
        """See LeaseHolder."""


class OrderedBacklogMachine(RuleBasedStateMachine):
    """Compares the backlog with a model.

    The model has the key of each message, the messages that remain, and how often each has failed.
    """

    def __init__(self) -> None:
        super().__init__()
        policy = DeliveryPolicy(
            DEADLINE, 1e9, RetryPolicy(1, 4), DeadLetterPolicy("projects/p/topics/dead", MAX_ATTEMPTS)
        )
        self.backlog = OrderedBacklog(policy)
        self.now = NOW
        self.next_id = int(NOW * 1e6)
        self.key_of: dict[int, int] = {}
        self.remaining: set[int] = set()
        self.failures: dict[int, int] = {}
        self.consumers = [Consumer(takes_further=True) for _ in range(STREAMS)]
        self.consumers.append(Consumer(takes_further=False))

    @initialize()
    def publish_two_keys(self) -> None:
        """Begin with several messages of two keys, because most faults need them."""
        self.publish([1, 1, 1, 1, 2, 2, 0])

    @rule(keys=st.lists(KEYS, min_size=1, max_size=6))
    def publish(self, keys: list[int]) -> None:
        """Publish messages with these keys."""
        ids = range(self.next_id, self.next_id + len(keys))
        self.next_id += len(keys)
        self.backlog.add_ordering_keys((number, key) for number, key in zip(ids, keys, strict=True) if key)
        self.backlog.enqueue(ids)
        self.key_of.update(zip(ids, keys, strict=True))
        self.remaining.update(ids)

    @rule(count=st.integers(1, 5), index=st.integers(0, STREAMS))
    def deliver(self, count: int, index: int) -> None:
        """Deliver up to this number of messages to a consumer."""
        for _ in range(count):
            if not self.deliver_one(self.consumers[index]):
                return

    def deliver_one(self, consumer: Consumer) -> "Lease | None":
        """Deliver the first message of a key that is not outstanding, to the consumer that has the key."""
        leases = list(self.backlog.outstanding.values())
        lease = self.backlog.deliver(self.now, self.now + DEADLINE, consumer)
        if lease is None:
            return None
        assert lease.message_id in self.remaining
        assert lease.attempt == self.failures.get(lease.message_id, 0) + 1
        key = self.key_of[lease.message_id]
        same_key = [each for each in leases if key and self.key_of[each.message_id] == key]
        if same_key:
            assert consumer.takes_further
            assert {each.holder for each in same_key} == {consumer}
        if key:
            outstanding = {each.message_id for each in same_key}
            assert lease.message_id == min(self.of_key(key) - outstanding)
        return lease

    @precondition(lambda self: self.backlog.outstanding)
    @rule(data=st.data(), event=st.sampled_from(["ack", "ack", "nack", "cancel", "extend", "shorten"]))
    def use(self, data: st.DataObject, event: str) -> None:
        """Acknowledge, nack or cancel one outstanding delivery, or modify its deadline."""
        lease = self.backlog.outstanding[data.draw(st.sampled_from(sorted(self.backlog.outstanding)))]
        if self.backlog.find_lease(lease.message_id, lease.number) is None:
            assert lease.acknowledged  # its ack id has no effect any more
        elif event == "ack":
            self.acknowledge(lease)
        elif event == "nack":
            state = self.backlog.nack(lease, self.now)
            assert state is not None
            self.failed(lease, state)
        elif event == "cancel":
            self.backlog.cancel_delivery(lease, self.now)
        else:
            self.backlog.modify_deadline(lease, self.now + (2 * DEADLINE if event == "extend" else 1))
        self.further_ended()

    @precondition(lambda self: len(self.backlog.outstanding) > 1)
    @rule(random=st.randoms())
    def acknowledge_several(self, random: Random) -> None:
        """Acknowledge most of the outstanding messages, in any order."""
        leases = [lease for lease in self.backlog.outstanding.values() if not lease.acknowledged]
        for lease in random.sample(leases, len(leases) - random.randrange(2)):
            self.acknowledge(lease)
            self.further_ended()

    def acknowledge(self, lease: "Lease") -> None:
        """Acknowledge a message; the ack is final only if it is the first one of its key."""
        key = self.key_of[lease.message_id]
        first = not key or lease.message_id == min(self.of_key(key))
        assert self.backlog.must_wait_for_earlier_acks(lease) == (not first)
        state = self.backlog.acknowledge(lease)
        assert state == (ACKNOWLEDGED if first else None)
        if first:
            self.remaining.remove(lease.message_id)

    @rule(seconds=st.sampled_from([0.5, 3.0, DEADLINE]))
    def wait(self, seconds: float) -> None:
        """Let time pass, so that retry policies and ack deadlines end."""
        self.now += seconds
        for lease, state in self.backlog.expire_leases(self.now):
            self.failed(lease, state)
        self.further_ended()

    @rule(index=st.integers(0, STREAMS - 1), release=st.booleans())
    def end_stream(self, index: int, *, release: bool) -> None:
        """End a stream and open another one; with ``release``, the leases of the stream end."""
        ended = self.consumers[index]
        ended.takes_further = False
        self.consumers[index] = Consumer(takes_further=True)
        self.backlog.close_holder(ended)
        if release:
            for lease in reversed(list(self.backlog.outstanding.values())):
                if lease.holder is ended and not lease.acknowledged:
                    self.backlog.cancel_delivery(lease, self.now)
            self.further_ended()

    @rule()
    def restart(self) -> None:
        """Read all messages from the store into a new backlog, as at the start of a server."""
        attempts = self.backlog.attempts(self.remaining)
        new = OrderedBacklog(self.backlog.policy)
        ids = sorted(self.remaining)
        new.add_ordering_keys((number, self.key_of[number]) for number in ids if self.key_of[number])
        for number in ids:
            new.load(number, attempts.get(number, 0))
        self.backlog = new
        self.failures.update(attempts)
        self.wait(0.0)

    @rule(replay=st.booleans())
    def seek(self, *, replay: bool) -> None:
        """Replace the backlog as a seek does; with ``replay``, all messages are unacknowledged again."""
        if replay:
            self.remaining = set(self.key_of)
        ids = sorted(self.remaining)
        found = ids, [self.key_of[number] for number in ids]
        attempts = self.backlog.attempts(ids)
        self.failures = dict(attempts)
        self.backlog = refill(OrderedBacklog(self.backlog.policy), self.backlog, found)  # type: ignore[assignment]  # lists instead of arrays

    @invariant()
    def outstanding_messages_of_a_key_are_its_first_ones(self) -> None:
        """No message of a key waits before an outstanding one, and one consumer has all outstanding ones."""
        for key in (1, 2):
            leases = [
                each for each in self.backlog.outstanding.values() if self.key_of[each.message_id] == key
            ]
            ids = {each.message_id for each in leases}
            assert len({each.holder for each in leases}) <= 1
            assert ids == set(sorted(self.of_key(key))[: len(ids)])
            if leases:
                assert not min(leases, key=lambda lease: lease.message_id).acknowledged

    @invariant()
    def backlog_has_the_remaining_messages(self) -> None:
        """The backlog counts each message that was neither acknowledged nor dead-lettered."""
        assert len(self.backlog) == len(self.remaining)

    def teardown(self) -> None:
        """Acknowledge all messages: no key is silent, whatever happened before."""
        consumer = Consumer(takes_further=True)
        while self.remaining:
            before = len(self.remaining)
            self.wait(2 * DEADLINE)
            self.wait(DEADLINE)  # the retry policy of the messages whose leases have just expired
            while (lease := self.deliver_one(consumer)) is not None:
                self.acknowledge(lease)
                self.further_ended()
            assert len(self.remaining) < before

    def of_key(self, key: int) -> set[int]:
        """Return the remaining messages of a key."""
        return {each for each in self.remaining if self.key_of[each] == key}

    def failed(self, lease: "Lease", state: MessageState) -> None:
        """Count a failed attempt; the last one makes the message a dead letter."""
        assert state == (DEAD_LETTERED if lease.attempt >= MAX_ATTEMPTS else WAITING)
        self.failures[lease.message_id] = lease.attempt
        if state == DEAD_LETTERED:
            self.remaining.remove(lease.message_id)

    def further_ended(self) -> None:
        """Apply acks that have become final; a redelivery because of an earlier message is no failure."""
        for lease, state in self.backlog.further_ended():
            if state == ACKNOWLEDGED:
                assert lease.acknowledged
                self.remaining.remove(lease.message_id)
            else:
                assert state == WAITING


OrderedBacklogMachine.TestCase.settings = settings(
    max_examples=500 if "CI" in os.environ else 100, stateful_step_count=40, deadline=None
)
TestOrderedBacklog = OrderedBacklogMachine.TestCase
