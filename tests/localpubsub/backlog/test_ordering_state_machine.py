"""Tests an ordered backlog with random sequences of deliveries, acks, nacks, restarts and seeks."""

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from localpubsub.backlog.backlog import DeliveryPolicy, MessageState
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.broker.seek import refill

NOW: Final = 1_800_000_000.0
DEADLINE: Final = 10.0
KEYS: Final = st.sampled_from([0, 1, 2])  # 0 means no key


class OrderedBacklogMachine(RuleBasedStateMachine):
    """Compares the backlog with a model: the key of each message, and the messages that remain."""

    def __init__(self) -> None:
        super().__init__()
        policy = DeliveryPolicy(
            DEADLINE, 1e9, RetryPolicy(1, 4), DeadLetterPolicy("projects/p/topics/dead", 5)
        )
        self.backlog = OrderedBacklog(policy)
        self.now = NOW
        self.next_id = int(NOW * 1e6)
        self.key_of: dict[int, int] = {}
        self.remaining: set[int] = set()
        self.in_order = True  # whether the messages of a key must be delivered in order

    @initialize()
    def publish_two_keys(self) -> None:
        """Begin with several messages of two keys, because most faults need them."""
        self.publish([1, 1, 1, 2, 2, 0])

    @rule(keys=st.lists(KEYS, min_size=1, max_size=6))
    def publish(self, keys: list[int]) -> None:
        """Publish messages with these keys."""
        ids = range(self.next_id, self.next_id + len(keys))
        self.next_id += len(keys)
        self.backlog.add_ordering_keys((number, key, 0) for number, key in zip(ids, keys, strict=True) if key)
        self.backlog.enqueue(ids)
        self.key_of.update(zip(ids, keys, strict=True))
        self.remaining.update(ids)

    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        """Deliver up to this number of messages; the first of each key comes first."""
        for _ in range(count):
            lease = self.backlog.deliver(self.now, self.now + DEADLINE)
            if lease is None:
                return
            assert lease.message_id in self.remaining
            if self.in_order and (key := self.key_of[lease.message_id]):
                assert lease.message_id == min(each for each in self.remaining if self.key_of[each] == key)

    @precondition(lambda self: self.backlog.outstanding)
    @rule(data=st.data(), event=st.sampled_from(["ack", "nack", "nack", "cancel"]))
    def end(self, data: st.DataObject, event: str) -> None:
        """End one outstanding delivery."""
        lease = self.backlog.outstanding[data.draw(st.sampled_from(sorted(self.backlog.outstanding)))]
        if event == "ack":
            self.ended(lease.message_id, self.backlog.acknowledge(lease))
        elif event == "nack":
            self.ended(lease.message_id, self.backlog.nack(lease, self.now))
        else:
            self.backlog.cancel_delivery(lease, self.now)

    @rule(seconds=st.sampled_from([0.5, 3.0, DEADLINE]))
    def wait(self, seconds: float) -> None:
        """Let time pass, so that retry policies and ack deadlines end."""
        self.now += seconds
        for lease, state in self.backlog.expire_leases(self.now):
            self.ended(lease.message_id, state)

    @rule()
    def restart(self) -> None:
        """Read all messages from the store into a new backlog, as at the start of a server.

        A message that was delivered before leads its key. After a seek to earlier messages it may be a later
        one, and with a dead-letter policy order is best effort.
        """
        attempts = self.backlog.attempts(self.remaining)
        for number in self.remaining:
            earlier = [
                each for each in self.remaining if each < number and self.key_of[each] == self.key_of[number]
            ]
            if attempts.get(number) and not all(attempts.get(each) for each in earlier):
                self.in_order = False
        new = OrderedBacklog(self.backlog.policy)
        ids = sorted(self.remaining)
        new.add_ordering_keys(
            (number, self.key_of[number], attempts.get(number, 0)) for number in ids if self.key_of[number]
        )
        for number in ids:
            new.load(number, attempts.get(number, 0))
        self.backlog = new
        self.wait(0.0)

    @rule(replay=st.booleans())
    def seek(self, *, replay: bool) -> None:
        """Replace the backlog as a seek does; with ``replay``, all messages are unacknowledged again."""
        if replay:
            self.remaining = set(self.key_of)
        ids = sorted(self.remaining)
        found = ids, [self.key_of[number] for number in ids]
        self.backlog = refill(OrderedBacklog(self.backlog.policy), self.backlog, found)  # type: ignore[assignment]  # lists instead of arrays

    @invariant()
    def one_message_of_a_key_is_outstanding(self) -> None:
        """At most one message of each key is outstanding."""
        keys = [self.key_of[number] for number in self.backlog.outstanding if self.key_of[number]]
        assert len(keys) == len(set(keys))

    @invariant()
    def backlog_has_the_remaining_messages(self) -> None:
        """The backlog counts each message that was neither acknowledged nor dead-lettered."""
        assert len(self.backlog) == len(self.remaining)

    def teardown(self) -> None:
        """Acknowledge all messages: no key is silent, whatever happened before."""
        while self.remaining:
            before = len(self.remaining)
            self.wait(DEADLINE)
            self.wait(DEADLINE)  # the retry policy of the messages whose leases have just expired
            for lease in iter(lambda: self.backlog.deliver(self.now, self.now + DEADLINE), None):
                self.ended(lease.message_id, self.backlog.acknowledge(lease))
            assert len(self.remaining) < before

    def ended(self, message_id: int, state: MessageState | None) -> None:
        """Forget a message that was acknowledged or dead-lettered."""
        assert state is not None
        if state in {"acknowledged", "dead_lettered"}:
            self.remaining.remove(message_id)


OrderedBacklogMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestOrderedBacklog = OrderedBacklogMachine.TestCase
