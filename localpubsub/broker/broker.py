"""Publishes, delivers, acknowledges, redelivers and dead-letters messages.

The broker connects the pure parts (backlogs, ids) with the clock, the journal and the alarm. All of its
methods run on the event loop.
"""

import logging
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from localpubsub.alarm import Alarm
from localpubsub.backlog.dead_letter import dead_letter
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message_state import ACKNOWLEDGED, DEAD_LETTERED, WAITING, MessageState
from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.expiration import delete_unused
from localpubsub.broker.iam_policies import IamPolicies
from localpubsub.broker.message_cache import MessageCache
from localpubsub.broker.message_log import log_dead_letter, log_lost_message
from localpubsub.broker.routing import route
from localpubsub.broker.snapshots import Snapshots
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.clock import Clock
from localpubsub.errors import StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.protocol.messages import PubsubMessagePb
from localpubsub.storage import seek_sql
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

if TYPE_CHECKING:
    from localpubsub.broker.chaos import Chaos

EXPIRY_INTERVAL: Final = 60.0  #: Seconds between two checks for expired messages and resources.
READ_RETRY_DELAY: Final = 10.0  #: Seconds after which an unreadable message is delivered again.
RESTORE_DELAY: Final = 10.0  #: Seconds after which a message whose removal failed is delivered again.

_log = logging.getLogger("localpubsub.broker.broker")


class Broker:
    """The broker of one server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        chaos: "Chaos | None" = None,
        *,
        service_agent_permissions: bool = True,
        new_journal: type[Journal] = Journal,
    ) -> None:
        self._chaos = chaos
        self._throttle = LogThrottle(_log)
        self.clock = clock
        with store.starting():
            self.ids = store.message_ids(clock.now())  #: The ids and publish times of messages.
        self.journal = new_journal(store, self._on_written, self._on_write_failed)
        self.tasks = BackgroundTasks()
        self.catalogue = Catalogue(
            self.journal, self._next_number, service_agent_permissions=service_agent_permissions
        )
        self.snapshots = Snapshots(self.catalogue, self.journal, clock, self.ids, self.tasks)
        self.catalogue.schemas.time_of = self.ids.publish_time
        self.policies = IamPolicies(self.journal)
        self._cache = MessageCache()
        self.alarm = Alarm(clock, self._advance)
        self._next_expiry = 0.0
        with store.starting():
            self._load(store)
        self._advance()

    async def publish(self, topic_name: str, messages: Sequence[PubsubMessagePb]) -> list[int]:
        """Publish messages and return their ids, in order, once they are on disk.

        Args:
            topic_name: full name of the topic.
            messages: validated messages; this method sets their ids and publish times.

        Raises:
            NotFound: the topic does not exist.
            StoreFailure: nothing was published.
        """
        message_ids = self._add(self.catalogue.topic(topic_name), messages)
        await self.journal.commit()
        return list(message_ids)

    def deliver(
        self, subscription: Subscription, seconds: float, holder: LeaseHolder | None = None
    ) -> Lease | None:
        """Lease the next message for ``seconds``, or return None if no message is ready."""
        now = self.clock.now()
        lease = subscription.backlog.deliver(now, now + seconds, holder)
        if lease is not None:
            if self._chaos is not None:
                self._chaos.prepare(subscription, lease)
            self.alarm.set(lease.deadline)
            if subscription.backlog.policy.dead_letter_policy is not None:
                # The attempt is written now, because it must count even if a restart ends the delivery.
                self.journal.next.set_attempts(subscription.number, lease.message_id, lease.attempt)
                self.journal.commit_soon()
        elif subscription.backlog.has_unexamined():
            self.alarm.set(now)
        return lease

    async def record(self, subscription: Subscription, lease: Lease) -> bytes | None:
        """Return the record of a leased message, or None if the lease has ended or the record is missing.

        A lease may end while its message is read, for example by a seek, which may acknowledge the message.

        Raises:
            StoreFailure: the message could not be read.
        """
        record = await self._record(subscription, lease)
        return record if subscription.is_current(lease) else None

    def acknowledge(self, subscription: Subscription, lease: Lease) -> None:
        """Acknowledge a message; do nothing if the lease has already ended."""
        if self._chaos and self._chaos.intercepts_ack(subscription, lease, self.cancel_delivery):
            return
        blocks_others = subscription.backlog.blocks_others(lease.message_id)
        if subscription.backlog.acknowledge(lease):
            self._end(subscription, (lease, ACKNOWLEDGED))
            subscription.used = True
            if blocks_others:  # the next message of its ordering key may be ready
                subscription.wake()

    def nack(self, subscription: Subscription, lease: Lease) -> None:
        """Nack a message: it waits for its next attempt, or is dead-lettered after the final one."""
        if state := subscription.backlog.nack(lease, self.clock.now()):
            self._attempt_failed(subscription, lease, state)

    def cancel_delivery(self, subscription: Subscription, lease: Lease, delay: float = 0.0) -> None:
        """Undo a delivery, so that it does not count; the message is ready again after ``delay`` seconds."""
        if subscription.backlog.cancel_delivery(lease, self.clock.now(), delay):
            self._end(subscription, (lease, WAITING))
            self.alarm.set(subscription.backlog.next_event())

    def modify_ack_deadline(self, subscription: Subscription, lease: Lease, seconds: float) -> None:
        """Set the deadline of a lease to ``seconds`` from now; 0 nacks the message."""
        if not seconds:
            self.nack(subscription, lease)
            return
        subscription.backlog.modify_deadline(lease, self.clock.now() + seconds)
        self.alarm.set(lease.deadline)

    def acknowledge_missing(self, subscription: Subscription, lease: Lease) -> None:
        """Acknowledge a message that has no record; log its loss unless it was removed in the meantime."""
        if subscription.is_current(lease):
            log_lost_message(subscription, lease)
        self.acknowledge(subscription, lease)

    async def close(self) -> None:
        """Cancel the alarm, finish pending dead letters, and write the remaining changes."""
        self.alarm.cancel()
        await self.tasks.close(1)
        await self.journal.close()

    def _next_number(self) -> int:
        self.journal.next.last_id = number = self.ids.allocate(1, self.clock.now())[0]
        return number

    def _load(self, store: Store) -> None:
        self.catalogue.load(store)
        self.snapshots.load(store)
        self.policies.load(store)
        for ordered in filter(attrgetter("ordered"), self.catalogue.subscriptions.values()):
            ordered.backlog.add_ordering_keys(
                store.query(partial(seek_sql.ordering_keys, subscription=ordered.number))
            )
        by_number = self.catalogue.by_number
        for message_id, number, attempts in store.backlog():
            if subscription := by_number.get(number):
                subscription.backlog.load(message_id, attempts)

    def _add(self, topic: Topic, messages: Sequence[PubsubMessagePb]) -> range:
        """Add messages to the next transaction; ``_on_written`` then adds them to the backlogs."""
        message_ids = self.ids.allocate(len(messages), self.clock.now())
        transaction = self.journal.next
        transaction.last_id = message_ids[-1]
        if topic.subscriptions or topic.retainers:
            route(transaction, topic, message_ids, messages, self.ids.publish_times(message_ids))
        return message_ids

    def _on_written(self, transaction: Transaction) -> None:
        for message_id, _, record in transaction.messages:
            self._cache.add(message_id, record)
        for number, keyed in transaction.keys.items():
            if subscription := self.catalogue.by_number.get(number):
                subscription.backlog.add_ordering_keys(keyed)
        for number, message_ids in transaction.backlog.items():
            if self._chaos and self._chaos.delay:
                enqueue = partial(self._enqueue, number, message_ids)
                Alarm(self.clock, enqueue).set(self.clock.now() + self._chaos.delay)
            else:
                self._enqueue(number, message_ids)

    def _enqueue(self, number: int, message_ids: list[int]) -> None:
        if subscription := self.catalogue.by_number.get(number):
            subscription.backlog.enqueue(message_ids)
            subscription.wake()

    def _on_write_failed(self, transaction: Transaction) -> None:
        """Add removed messages to their backlogs again, because the store still contains them."""
        for number, removed in transaction.removed.items():
            if subscription := self.catalogue.by_number.get(number):
                self._restore(subscription, removed)

    def _remove(self, subscription: Subscription, message_id: int, attempts: int) -> None:
        self.journal.next.remove(subscription.number, message_id, attempts)
        if subscription.retains_acked:
            self.journal.next.retained[subscription.number].append(message_id)
        self.journal.commit_soon()
        topic = self.catalogue.topics.get(subscription.resource.topic)
        if topic is None or len(topic.subscriptions) == 1:
            self._cache.drop(message_id)

    def _end(self, subscription: Subscription, *ended: tuple[Lease, MessageState]) -> None:
        """Write acks and cancelled deliveries, and those of other messages that they have caused."""
        for lease, state in (*ended, *subscription.backlog.further_ended()):
            if state == ACKNOWLEDGED:
                self._remove(subscription, lease.message_id, lease.attempt)
            elif subscription.backlog.policy.dead_letter_policy is not None:
                self.journal.next.set_attempts(subscription.number, lease.message_id, lease.attempt - 1)
                self.journal.commit_soon()
            lease.notify_holder()

    def _attempt_failed(self, subscription: Subscription, lease: Lease, state: MessageState) -> None:
        lease.notify_holder()
        if state == ACKNOWLEDGED:  # by the late ack of an earlier delivery
            self._remove(subscription, lease.message_id, lease.attempt)
        elif state == DEAD_LETTERED:
            self.tasks.start(self._dead_letter(subscription, lease))
        self._end(subscription)
        if subscription.backlog.ready(
            self.clock.now()
        ):  # the alarm wakes the consumers for a delayed message
            subscription.wake()
        self.alarm.set(subscription.backlog.next_event())

    async def _dead_letter(self, subscription: Subscription, lease: Lease) -> None:
        """Move a message to the dead-letter topic, in one transaction.

        If that is impossible, continue to deliver the message, as the real service does.
        """
        policy = subscription.backlog.policy.dead_letter_policy
        topic = self.catalogue.topics.get(policy.topic) if policy else None
        record, failure = None, "its dead-letter topic does not exist"
        if topic is not None:
            try:
                record, failure = await self._record(subscription, lease), ""
            except StoreFailure as error:
                failure = str(error)
        if topic is None or failure:
            log_dead_letter(subscription, lease, f"not moved: {failure}")
            self._restore(subscription, {lease.message_id: lease.attempt})
            return
        if record is not None:
            self._add(topic, [dead_letter(record, subscription.name, lease.attempt, lease.export_error)])
        self._remove(subscription, lease.message_id, lease.attempt)
        result = "moved" if topic.subscriptions else "lost, because the topic has no subscription"
        log_dead_letter(subscription, lease, f"{result} topic={topic.name}")

    def _restore(self, subscription: Subscription, attempts: dict[int, int]) -> None:
        not_before = self.clock.now() + RESTORE_DELAY
        for message_id, count in attempts.items():
            subscription.backlog.restore(message_id, count, not_before)
        self.alarm.set(not_before)

    def _advance(self) -> None:
        """Expire leases, wake consumers, and delete what has expired; the alarm calls this method."""
        now = self.clock.now()
        expiry_is_due = now >= self._next_expiry
        if expiry_is_due:
            self._next_expiry = now + EXPIRY_INTERVAL
            self.tasks.start(self.snapshots.drop_expired(now))
            self.tasks.start(delete_unused(self.catalogue, now))
        for subscription in list(self.catalogue.subscriptions.values()):
            backlog = subscription.backlog
            for lease, state in backlog.expire_leases(now):
                self._attempt_failed(subscription, lease, state)
            if expiry_is_due:
                oldest = self.ids.oldest_retained_id(now, backlog.policy.retention)
                for message_id in backlog.drop_expired(oldest):
                    self._remove(subscription, message_id, 0)
            if backlog.ready(now):
                subscription.wake()
            self.alarm.set(backlog.next_event())
        self.alarm.set(self._next_expiry)

    async def _record(self, subscription: Subscription, lease: Lease) -> bytes | None:
        """Return the record of a message, whether or not the lease has ended, or None if it is missing."""
        return self._cache.get(lease.message_id) or await subscription.read_ahead.read(
            self.journal, self._throttle, subscription.name, subscription.backlog, lease.message_id
        )
