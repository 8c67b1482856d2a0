"""Publishes, delivers, acknowledges, redelivers and dead-letters messages.

The broker connects the pure parts (backlogs, ids) with the clock, the journal and the alarm. All of its
methods run on the event loop.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from localpubsub.alarm import Alarm
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message_state import ACKNOWLEDGED, DEAD_LETTERED, WAITING, MessageState
from localpubsub.broker import dead_lettering
from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.delayed_messages import DelayedMessages
from localpubsub.broker.expiration import delete_unused
from localpubsub.broker.iam_policies import IamPolicies
from localpubsub.broker.loading import load_messages
from localpubsub.broker.message_cache import MessageCache
from localpubsub.broker.message_log import log_lost_message
from localpubsub.broker.routing import route
from localpubsub.broker.snapshots import Snapshots
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.sweeper import Sweeper
from localpubsub.broker.topic import Topic
from localpubsub.broker.transforming import transformed
from localpubsub.clock import Clock
from localpubsub.errors import StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.protocol.messages import PubsubMessagePb
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

if TYPE_CHECKING:
    from localpubsub.broker.chaos import Chaos

EXPIRY_INTERVAL: Final = 60.0  #: Seconds between two checks for expired messages and resources.
READ_RETRY_DELAY: Final = 10.0  #: Seconds after which an unreadable message is delivered again.
RESTORE_DELAY: Final = 10.0  #: Seconds after which a message whose removal failed is delivered again.
EXPIRED_AT_ONCE: Final = 1000  #: Number of leases that expire before other calls have their turn.
REMOVED_AT_ONCE: Final = 256  #: Number of expired messages that are removed in one transaction.


class Broker:
    """The broker of one server; ``on_publish``, if set, is called with messages before they are written."""

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
        self._throttle = LogThrottle(logging.getLogger("localpubsub.broker.broker"))
        self.clock = clock
        with store.starting():
            self.ids = store.message_ids(clock.now())  #: The ids and publish times of messages.
        self.journal = new_journal(store, self._on_written, self._on_write_failed)
        self.tasks = BackgroundTasks()
        self.sweeper = Sweeper(self.journal, self.tasks)
        self.catalogue = Catalogue(
            self.journal,
            self.next_number,
            self.tasks,
            self.sweeper,
            service_agent_permissions=service_agent_permissions,
        )
        self.snapshots = Snapshots(self.catalogue, self.journal, clock, self.ids)
        self.catalogue.schemas.time_of = self.ids.publish_time
        self.policies = IamPolicies(self.journal)
        self.catalogue.schemas.on_oldest_changed = self.policies.move
        self.on_publish: Callable[[Topic, range, Sequence[PubsubMessagePb]], None] | None = None
        self._cache = MessageCache()
        self._delayed = DelayedMessages(clock)
        self.alarm = Alarm(clock, self._advance)
        self._next_expiry = 0.0
        with store.starting():
            self.catalogue.load(store)
            self.snapshots.load(store)
            self.policies.load(store)
            load_messages(self.catalogue, self.snapshots, store)
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
        message_ids = self.add(self.catalogue.topic(topic_name), messages)
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
                self.journal.next.set_attempts(subscription.backlog_number, lease.message_id, lease.attempt)
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
        record = await self.read(subscription, lease)
        if record is not None and subscription.transformer is not None:
            record = await transformed(self, subscription, subscription.transformer, lease, record)
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

    def next_number(self) -> int:
        """Allocate the number of a new resource or backlog; all later message ids are higher."""
        self.journal.next.last_id = number = self.ids.allocate(1, self.clock.now())[0]
        return number

    def add(self, topic: Topic, messages: Sequence[PubsubMessagePb]) -> range:
        """Add messages to the next transaction; ``_on_written`` then adds them to the backlogs."""
        message_ids = self.ids.allocate(len(messages), self.clock.now())
        transaction = self.journal.next
        transaction.last_id = message_ids[-1]
        if self.on_publish is not None:
            self.on_publish(topic, message_ids, messages)
        if topic.subscriptions or topic.retainers:
            route(transaction, topic, message_ids, messages, self.ids.publish_times(message_ids))
        return message_ids

    def _on_written(self, transaction: Transaction) -> None:
        for message_id, _, record in transaction.messages:
            self._cache.add(message_id, record)
        for number, keyed in transaction.keys.items():
            if subscription := self.catalogue.by_backlog.get(number):
                subscription.backlog.add_ordering_keys(keyed)
        for number, message_ids in transaction.backlog.items():
            if not (subscription := self.catalogue.by_backlog.get(number)):
                continue
            if self._chaos and self._chaos.delay:
                self._delayed.add(subscription, message_ids, self._chaos.delay)
            else:
                subscription.backlog.enqueue(message_ids)
                subscription.consumers.wake_after_responses()

    def _on_write_failed(self, transaction: Transaction) -> None:
        """Add removed messages to their backlogs again, because the store still contains them."""
        for number, removed in transaction.removed.items():
            if subscription := self.catalogue.by_backlog.get(number):
                self.restore(subscription, removed)

    def remove(self, subscription: Subscription, message_id: int, attempts: int) -> None:
        """Remove a message, which is no longer in memory, from the backlog on disk."""
        self.journal.next.remove(subscription.backlog_number, message_id, attempts)
        for number in subscription.retainers:
            self.journal.next.retained[number].append(message_id)
        self.journal.commit_soon()
        topic = self.catalogue.topics.get(subscription.resource.topic)
        if topic is None or len(topic.subscriptions) == 1:
            self._cache.drop(message_id)

    def _end(self, subscription: Subscription, *ended: tuple[Lease, MessageState]) -> None:
        """Write acks and cancelled deliveries, and those of other messages that they have caused."""
        for lease, state in (*ended, *subscription.backlog.further_ended()):
            if state == ACKNOWLEDGED:
                self.remove(subscription, lease.message_id, lease.attempt)
            elif subscription.backlog.policy.dead_letter_policy is not None:
                self.journal.next.set_attempts(
                    subscription.backlog_number, lease.message_id, lease.attempt - 1
                )
                self.journal.commit_soon()
            lease.notify_holder()

    def _attempt_failed(self, subscription: Subscription, lease: Lease, state: MessageState) -> None:
        # For a delayed message the alarm wakes the consumers. They are woken before the holder is notified,
        # because otherwise the holder would take the turn of another one.
        if subscription.backlog.ready(self.clock.now()):
            subscription.wake()
        lease.notify_holder()
        if state == ACKNOWLEDGED:  # by the late ack of an earlier delivery
            self.remove(subscription, lease.message_id, lease.attempt)
        elif state == DEAD_LETTERED and subscription.add_dead_letter(lease):
            self._start_removal(subscription, dead_lettering.move_all(self, subscription))
        self._end(subscription)
        self.alarm.set(subscription.backlog.next_event())

    def restore(self, subscription: Subscription, attempts: dict[int, int]) -> None:
        """Add messages to the backlog in memory again, with their numbers of deliveries by message id."""
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
        left = EXPIRED_AT_ONCE  # The alarm calls again, soon, for the leases beyond it.
        for subscription in list(self.catalogue.subscriptions.values()):
            backlog = subscription.backlog
            ended = backlog.expire_leases(now, left)
            left -= len(ended)
            for lease, state in ended:
                self._attempt_failed(subscription, lease, state)
            if expiry_is_due:
                oldest = self.ids.oldest_retained_id(now, backlog.policy.retention)
                if expired := backlog.drop_expired(oldest):
                    self._start_removal(subscription, self._remove_all(subscription, expired))
            if backlog.ready(now):
                subscription.wake()
            self.alarm.set(backlog.next_event())
        self.alarm.set(self._next_expiry)

    def _start_removal(self, subscription: Subscription, removal: Coroutine[None, None, None]) -> None:
        task = self.tasks.start(removal)
        subscription.removals.add(task)
        task.add_done_callback(subscription.removals.discard)

    async def _remove_all(self, subscription: Subscription, message_ids: list[int]) -> None:
        """Remove messages from the backlog on disk, some at a time."""
        for start in range(0, len(message_ids), REMOVED_AT_ONCE):
            for message_id in message_ids[start : start + REMOVED_AT_ONCE]:
                self.remove(subscription, message_id, 0)
            with suppress(StoreFailure):  # the messages were restored, and will be dropped again
                await self.journal.commit()

    async def read(self, subscription: Subscription, lease: Lease) -> bytes | None:
        """Return the record of a message, whether or not the lease has ended, or None if it is missing."""
        return self._cache.get(lease.message_id) or await subscription.read_ahead.read(
            self.journal, self._throttle, subscription.name, subscription.backlog, lease.message_id
        )
