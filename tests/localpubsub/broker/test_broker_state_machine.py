"""Tests the broker with random operations on a store that refuses and delays, and with cancelled callers."""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from localpubsub.backlog.lease import Lease
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.sweeper import RETRY_DELAY
from localpubsub.errors import LocalPubsubError, StoreFailure
from localpubsub.protocol.messages import CreateSnapshotRequest, PubsubMessage, SeekRequest, Topic
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.pull.flow_control import FlowControl
from localpubsub.pull.receive import PullLimits, receive
from tests.localpubsub.broker.delivery_model import DeliveryModel
from tests.localpubsub.broker.stepped_broker import DEAD_TOPIC, NAME, TOPIC, SteppedBroker

SNAPSHOTS: Final = ("projects/p/snapshots/one", "projects/p/snapshots/two")
REFUSALS: Final = [set[str](), {"write"}, {"read"}, {"read", "write"}]
MAX_ATTEMPTS: Final = 5


class BrokerMachine(RuleBasedStateMachine):
    """One topic with one subscription, with the client's view of them in a model."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.ERROR)
        self.directory = Path(tempfile.mkdtemp())
        self.model = DeliveryModel(retains=False)
        #: Running calls, each with the function to call with its result or its StoreFailure.
        self.running: list[tuple[asyncio.Task[Any], Callable[[Any], None]]] = []
        self.flow = FlowControl(3, 0, lambda: None)
        self.tokens = count()
        self.token_of: dict[int, bytes] = {}
        self.readers = 0
        self.dead_letters_may_be_lost = False

    @initialize(
        ordered=st.booleans(),
        retains=st.sampled_from(["nothing", "subscription", "topic"]),
        dead_letters=st.booleans(),
        delay=st.sampled_from([0.0, 0.0, 0.5]),
    )
    def create(self, *, ordered: bool, retains: str, dead_letters: bool, delay: float) -> None:
        """Create the topics and subscriptions."""
        self.stepped = SteppedBroker(self.directory / "db", delay=delay)
        if retains == "topic":
            self.stepped.topic_fields = {"message_retention_duration": {"seconds": 86_400}}
        fields: dict[str, Any] = {
            "enable_message_ordering": ordered,
            "retain_acked_messages": retains == "subscription",
        }
        self.create_dead_letter_topic()
        if dead_letters:
            fields["dead_letter_policy"] = {
                "dead_letter_topic": DEAD_TOPIC,
                "max_delivery_attempts": MAX_ATTEMPTS,
            }
        self.stepped.create(**fields)
        self.model.retains = retains != "nothing"

    @rule(keys=st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=4))
    def publish(self, keys: list[str]) -> None:
        """Publish messages with these ordering keys."""
        call = self.model.call()
        messages = [PubsubMessage(data=b"%d" % next(self.tokens), ordering_key=key) for key in keys]
        task = self.stepped.start(self.stepped.broker.publish(TOPIC, messages))
        last_id = self.stepped.broker.ids.last  # a client learns the ids only from the result
        message_ids = list(range(last_id - len(keys) + 1, last_id + 1))
        self.model.published(message_ids)
        self.token_of.update(zip(message_ids, (each.data for each in messages), strict=True))

        def end(result: object) -> None:
            if isinstance(result, StoreFailure):
                self.model.publish_failed(message_ids)
            else:
                assert result == message_ids
                self.model.publish_succeeded(call, message_ids)

        self.watch(task, end)

    @rule(maximum=st.integers(1, 4), seconds=st.sampled_from([10, 60]))
    def pull(self, maximum: int, seconds: int) -> None:
        """Pull within the flow control; no message may be received that must not be delivered."""
        messages, size = self.flow.allowed(10_000)
        if not messages:
            return
        limits = PullLimits(min(messages, maximum), size, seconds)
        call = self.model.call()
        task = self.stepped.start(receive(self.stepped.broker, self.subscription, limits, self.flow))

        def end(result: Any) -> None:  # noqa: ANN401 - ReceivedMessages or an exception
            if not isinstance(result, StoreFailure):
                for received in result:
                    assert self.model.may_receive(call, int(received.message.message_id))

        self.watch(task, end)

    @precondition(lambda self: self.subscription.backlog.outstanding)
    @rule(data=st.data(), event=st.sampled_from(["ack", "ack", "ack", "nack", "deadline"]))
    def end_delivery(self, data: st.DataObject, event: str) -> None:
        """Acknowledge or nack a message, or extend its deadline."""
        outstanding = self.subscription.backlog.outstanding
        lease = outstanding[data.draw(st.sampled_from(sorted(outstanding)))]
        broker = self.stepped.broker
        if event == "nack":
            self.stepped.do(broker.nack, self.subscription, lease)
        elif event == "deadline":
            self.stepped.do(broker.modify_ack_deadline, self.subscription, lease, 60)
        else:
            self.acknowledge(lease)

    def acknowledge(self, lease: Lease) -> None:
        """Acknowledge a message as the method Acknowledge does."""
        broker, call = self.stepped.broker, self.model.call()

        async def acknowledge() -> None:
            broker.acknowledge(self.subscription, lease)
            await broker.journal.commit()

        self.model.acknowledged(lease.message_id)
        task = self.stepped.start(acknowledge())

        def end(result: object) -> None:
            # With ordering, an ack that waits for earlier acks may be undone by a redelivery.
            if not lease.acknowledged:
                succeeded = not isinstance(result, StoreFailure)
                self.model.ack_ended(call, lease.message_id, succeeded=succeeded)

        self.watch(task, end)

    @rule(to=st.sampled_from(["start", "end", *SNAPSHOTS]))
    def seek(self, to: str) -> None:
        """Seek to before or after all messages, or to a snapshot."""
        request = SeekRequest(subscription=NAME)
        if to in SNAPSHOTS:
            if to not in self.stepped.broker.snapshots.snapshots:
                return
            request.snapshot = to
        else:
            request.time.seconds = 0 if to == "start" else int(self.stepped.loop.now) + 2
        call = self.model.seek_started()

        def end(result: object) -> None:
            if isinstance(result, LocalPubsubError):
                self.model.seek_failed()
            else:
                self.model.seek_succeeded(call, to)

        self.watch(self.stepped.start(self.stepped.seeker.seek(request)), end)

    @rule(name=st.sampled_from(SNAPSHOTS))
    def create_snapshot(self, name: str) -> None:
        """Create a snapshot, unless it exists."""
        call = self.model.call()
        request = CreateSnapshotRequest(name=name, subscription=NAME)

        def end(result: object) -> None:
            if not isinstance(result, LocalPubsubError):
                self.model.snapshot_created(call, name)

        self.watch(self.stepped.start(self.stepped.broker.snapshots.create(request)), end)

    @rule(name=st.sampled_from(SNAPSHOTS))
    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot; if its deletion fails, its messages are no longer known to the model."""
        self.model.snapshots.pop(name, None)
        self.watch(self.stepped.start(self.stepped.broker.snapshots.delete(name)), lambda _: None)

    @rule()
    def delete_dead_letter_topic(self) -> None:
        """Delete the dead-letter topic; messages then stay on the subscription."""
        if DEAD_TOPIC in self.stepped.broker.catalogue.topics:
            self.watch(
                self.stepped.start(self.stepped.broker.catalogue.delete_topic(DEAD_TOPIC)), lambda _: None
            )

    @rule()
    def recreate_dead_letter_topic(self) -> None:
        """Create the dead-letter topic again; until its new subscription exists, dead letters are lost."""
        self.settle()
        if DEAD_TOPIC not in self.stepped.broker.catalogue.topics:
            self.dead_letters_may_be_lost = True
            self.create_dead_letter_topic()

    @rule(refuses=st.sampled_from(REFUSALS))
    def refuse(self, refuses: set[str]) -> None:
        """Let the store refuse to read or write, or end this."""
        self.stepped.store.refuses = refuses

    @rule(jobs=st.integers(1, 4))
    def step(self, jobs: int) -> None:
        """Run some of the waiting reads and writes."""
        self.stepped.step(jobs)
        self.collect()

    @rule(seconds=st.sampled_from([0.02, 0.02, 3.0, 11.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass: commits are due, leases expire."""
        self.stepped.advance(seconds)
        self.collect()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a caller."""
        task, _ = self.running[data.draw(st.integers(0, len(self.running) - 1))]
        task.cancel()
        self.stepped.loop.settle()
        self.collect()

    @rule()
    def restart(self) -> None:
        """Restart the server after SIGKILL; the results of all running calls are unknown."""
        self.collect()
        self.running.clear()
        self.stepped.restart()
        # Ids that were not written before the restart may be allocated again, because no time has passed.
        self.model.forget_after(self.stepped.broker.ids.last)
        self.flow = FlowControl(3, 0, lambda: None)
        if self.model.running_seeks:
            self.model.settled(self.stepped.unacknowledged()[1])

    @rule()
    def settle(self) -> None:
        """Finish all calls on a store that refuses nothing; then memory, disk and the model agree."""
        self.stepped.store.refuses = set()
        self.stepped.finish()
        self.stepped.advance(RETRY_DELAY)  # of removals that the store refused
        self.stepped.finish()
        self.collect()
        assert not self.running, "a call hangs"
        in_memory, on_disk = self.stepped.unacknowledged()
        assert in_memory == on_disk
        if self.model.running_seeks:
            self.model.settled(on_disk)
        self.check_messages(on_disk)
        outstanding = self.subscription.backlog.outstanding.values()
        self.model.settled(on_disk, [lease.message_id for lease in outstanding if lease.acknowledged])
        self.check_flow_control()
        self.check_resources()

    def check_messages(self, on_disk: list[int]) -> None:
        """Check that no message is missing, that none is left, and that all can be read."""
        records = self.stepped.store.read(on_disk, 10**9)
        assert sorted(records) == on_disk
        remaining = {*on_disk, *self.dead_lettered()}
        for message_id, state in self.model.states.items():
            if state == "must":
                assert message_id in remaining or self.dead_letters_may_be_lost
            elif state == "must not":
                assert message_id not in on_disk

    def check_flow_control(self) -> None:
        """Check that the flow control counts exactly the messages that are leased to it."""
        leased = {
            lease for lease in self.subscription.backlog.outstanding.values() if lease.holder is self.flow
        }
        assert set(self.flow._sizes) == leased  # noqa: SLF001 - its only other sign is that a stream stops

    def check_resources(self) -> None:
        """Check that the same resources exist in memory and on disk, and no messages of other owners."""
        catalogue, snapshots = self.stepped.broker.catalogue, self.stepped.broker.snapshots.snapshots
        assert self.column("SELECT name FROM topic") == sorted(catalogue.topics)
        assert self.column("SELECT name FROM subscription") == sorted(catalogue.subscriptions)
        assert self.column("SELECT name FROM snapshot") == sorted(snapshots)
        numbers = {each.number for each in snapshots.values()}
        assert set(catalogue.topics[TOPIC].snapshots) == numbers
        owners = set(self.column("SELECT DISTINCT number FROM retained"))
        assert owners <= numbers | {self.subscription.number, catalogue.topics[TOPIC].number}
        assert set(self.column("SELECT DISTINCT number FROM backlog")) <= set(catalogue.by_backlog)
        assert not self.subscription.copying

    def column(self, query: str) -> list[Any]:
        """Return the sorted results of a query with one column."""
        return sorted(
            row[0] for row in self.stepped.store.query(lambda database: database.execute(query).fetchall())
        )

    def teardown(self) -> None:
        """Check everything once more, and delete the files."""
        try:
            self.settle()
            self.deliver_all()
        finally:
            self.stepped.close()
            shutil.rmtree(self.directory)
            logging.disable(logging.NOTSET)

    def deliver_all(self) -> None:
        """Deliver and acknowledge all messages; check that none is stuck."""
        stepped = self.stepped
        _, on_disk = stepped.unacknowledged()
        delivered: set[int] = set()
        for _ in range(3 + len(on_disk)):
            stepped.advance(61)
            while (lease := stepped.do(stepped.broker.deliver, self.subscription, 10)) is not None:
                delivered.add(lease.message_id)
                stepped.acknowledge(lease)
            stepped.finish()
        assert stepped.unacknowledged() == ([], [])
        assert set(on_disk) <= delivered | self.dead_lettered() or self.dead_letters_may_be_lost

    @property
    def subscription(self) -> Subscription:
        """The subscription."""
        return self.stepped.broker.catalogue.subscriptions[NAME]

    def create_dead_letter_topic(self) -> None:
        """Create the dead-letter topic with a subscription."""
        catalogue = self.stepped.broker.catalogue
        self.readers += 1
        reader = SubscriptionMessage(name=f"projects/p/subscriptions/reader{self.readers}", topic=DEAD_TOPIC)
        self.stepped.call(catalogue.create_topic(Topic(name=DEAD_TOPIC)))
        self.stepped.call(catalogue.create_subscription(reader))

    def dead_lettered(self) -> set[int]:
        """Return the ids that the messages on the dead-letter topic had before."""
        numbers = {
            each.backlog_number
            for each in self.stepped.broker.catalogue.subscriptions.values()
            if each.name != NAME
        }
        letters = [row[0] for row in self.stepped.store.backlog() if row[1] in numbers]
        records = self.stepped.store.read(letters, 10**9).values()
        data = {PubsubMessage.FromString(record).data for record in records}
        return {message_id for message_id, token in self.token_of.items() if token in data}

    def watch(self, task: asyncio.Task[Any], end: Callable[[Any], None]) -> None:
        """Call ``end`` with the result or the error of a call once it has one."""
        self.running.append((task, end))
        self.collect()

    def collect(self) -> None:
        """Note the results of the calls that have ended."""
        running, self.running = self.running, []
        for task, end in running:
            if not task.done():
                self.running.append((task, end))
                continue
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, LocalPubsubError):
                raise error
            if not task.cancelled():
                end(error or task.result())


# An example takes a fifth of a second, so only CI runs many of them.
BrokerMachine.TestCase.settings = settings(
    max_examples=500 if "CI" in os.environ else 50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestBroker = BrokerMachine.TestCase
