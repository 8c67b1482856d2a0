"""The broker: the one place where messages are published, delivered, acknowledged, redelivered and buried.

It wires the pure parts (backlogs, ids) to the effects (clock, journal, alarm). Everything here runs on the
event loop.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from localpubsub.alarm import Alarm
from localpubsub.backlog.backlog import DEAD_LETTERED, MessageState
from localpubsub.backlog.dead_letter import dead_letter
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message import MessageIds
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.expiration import delete_idle
from localpubsub.broker.iam_policies import IamPolicies
from localpubsub.broker.message_cache import MessageCache
from localpubsub.broker.read_ahead import read_record
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

FORGET_EVERY: Final = 60.0  #: seconds between two looks for messages past their retention
UNREADABLE: Final = 10.0  #: seconds until a message that could not be read is tried again
RESTORE_AFTER: Final = 10.0  #: seconds until a message that could not be removed is delivered again

_log = logging.getLogger("localpubsub.broker.broker")


class Broker:
    """Everything that happens to messages."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        chaos: "Chaos | None" = None,
        *,
        service_agent_permissions: bool = True,
    ) -> None:
        self._chaos = chaos
        self._failures = LogThrottle(_log)
        self.clock = clock
        self.journal = Journal(store, self._written, self._refused_by_disk)
        self.catalogue = Catalogue(
            self.journal, self._next_number, service_agent_permissions=service_agent_permissions
        )
        self.snapshots = Snapshots(self.catalogue, self.journal, clock, self._next_number)
        self.policies = IamPolicies(self.journal)
        self._ids = MessageIds(store.last_id())
        self._hot = MessageCache()
        self.alarm = Alarm(clock, self._advance)
        self._forget_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._load(store)

    async def publish(self, topic_name: str, messages: Sequence[PubsubMessagePb]) -> list[int]:
        """Ids of the messages, in order, once they are on disk; they are checked already, and are changed."""
        message_ids = self._enter(self.catalogue.topic(topic_name), messages)
        await self.journal.commit()
        return list(message_ids)

    def deliver(
        self, subscription: Subscription, seconds: float, holder: LeaseHolder | None = None
    ) -> Lease | None:
        """Lease the next message for ``seconds``, or None. Its record comes from ``record``."""
        now = self.clock.now()
        lease = subscription.backlog.deliver(now, now + seconds, holder)
        if lease is not None:
            lease.final_attempt = self._chaos is not None and self._chaos.ends_early(subscription)
            self.alarm.set(lease.deadline)
            if subscription.backlog.policy.dead_letter_policy is not None:
                # So that max_delivery_attempts also counts the deliveries which a restart cut short.
                self.journal.next.set_attempts(subscription.number, lease.message_id, lease.attempt)
                self.journal.commit_soon()
        elif subscription.ordered:
            self.alarm.set(subscription.backlog.next_event())  # it may not have looked at all of them
        return lease

    async def record(self, subscription: Subscription, message_id: int) -> bytes | None:
        """The encoded message, read with those that come after it; None when it is gone. StoreFailure."""
        ready = self._hot.get(message_id) or subscription.read_ahead.pop(message_id, None)
        return ready or await read_record(self.journal, self._failures, subscription, message_id)

    def acknowledge(self, subscription: Subscription, lease: Lease) -> None:
        """The message is done with. Nothing happens when the lease had ended."""
        if self._chaos and self._chaos.misses_ack(subscription, lease, self.cancel_delivery):
            return
        if subscription.backlog.acknowledge(lease):
            self._remove(subscription, lease.message_id, lease.attempt)
            self._lease_ended(lease)
            subscription.active = True
            if subscription.ordered:
                subscription.wake()  # the next of its key may go

    def nack(self, subscription: Subscription, lease: Lease) -> None:
        """A nack: the message waits for its next attempt, or is buried after its last."""
        if state := subscription.backlog.nack(lease, self.clock.now()):
            self._attempt_failed(subscription, lease, state)

    def cancel_delivery(self, subscription: Subscription, lease: Lease, pause: float = 0.0) -> None:
        """The lease was never sent: no attempt. The message is first in line, or waits for ``pause``."""
        if subscription.backlog.cancel_delivery(lease, self.clock.now(), pause):
            self.alarm.set(subscription.backlog.next_event())
            if subscription.backlog.policy.dead_letter_policy is not None:
                self.journal.next.set_attempts(subscription.number, lease.message_id, lease.attempt - 1)
                self.journal.commit_soon()
            self._lease_ended(lease)

    def modify_ack_deadline(self, subscription: Subscription, lease: Lease, seconds: float) -> None:
        """The lease lasts ``seconds`` from now; 0 is a nack."""
        if not seconds:
            self.nack(subscription, lease)
            return
        deadline = self.clock.now() + seconds
        subscription.backlog.modify_deadline(lease, deadline)
        self.alarm.set(deadline)

    def acknowledge_missing(self, subscription: Subscription, lease: Lease) -> None:
        """A leased message has no record. Unless it was done with meanwhile, the file is damaged: say so."""
        if subscription.backlog.find_lease(lease.message_id, lease.attempt) is lease:
            _log.error(
                "lost subscription=%s message_id=%s: it is not in the store, whose file must be damaged",
                subscription.name,
                lease.message_id,
            )
        self.acknowledge(subscription, lease)

    async def close(self) -> None:
        """Stop time, finish burials, write what is left."""
        self.alarm.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        await self.journal.close()

    def _next_number(self) -> int:
        number = self._ids.allocate(1, self.clock.now())[0]
        self.journal.next.last_id = number
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
        self._advance()

    def _enter(self, topic: Topic, messages: Sequence[PubsubMessagePb]) -> range:
        """Into the next transaction; subscriptions get them once that is written (``_written``)."""
        message_ids = self._ids.allocate(len(messages), self.clock.now())
        transaction = self.journal.next
        transaction.last_id = message_ids[-1]
        if topic.subscriptions or topic.retainers:
            route(transaction, topic, message_ids, messages)
        return message_ids

    def _written(self, transaction: Transaction) -> None:
        for message_id, _, record in transaction.messages:
            self._hot.add(message_id, record)
        for number, keyed in transaction.keys.items():
            if subscription := self.catalogue.by_number.get(number):
                subscription.backlog.add_ordering_keys((message_id, key, 0) for message_id, key in keyed)
        for number, message_ids in transaction.backlog.items():
            if self._chaos and self._chaos.delay:
                pause = self._chaos.delay / self.clock.scale
                asyncio.get_running_loop().call_later(pause, self._enqueue, number, message_ids)
            else:
                self._enqueue(number, message_ids)

    def _enqueue(self, number: int, message_ids: list[int]) -> None:
        if subscription := self.catalogue.by_number.get(number):
            subscription.backlog.enqueue(message_ids)
            subscription.wake()

    def _refused_by_disk(self, transaction: Transaction) -> None:
        """What the disk did not let go would come back with a restart, so it comes back now."""
        for number, removed in transaction.removed.items():
            if subscription := self.catalogue.by_number.get(number):
                self._restore(subscription, removed)

    def _remove(self, subscription: Subscription, message_id: int, attempts: int) -> None:
        self.journal.next.remove(subscription.number, message_id, attempts)
        if subscription.retains:
            self.journal.next.retained[subscription.number].append(message_id)
        self.journal.commit_soon()
        topic = self.catalogue.topics.get(subscription.resource.topic)
        if topic is None or len(topic.subscriptions) == 1:
            self._hot.drop(message_id)

    def _attempt_failed(self, subscription: Subscription, lease: Lease, state: MessageState) -> None:
        self._lease_ended(lease)
        if state == DEAD_LETTERED:
            self._start(self._bury(subscription, lease))
            if subscription.ordered:
                subscription.wake()
            return
        if subscription.backlog.ready(self.clock.now()):
            subscription.wake()  # for others; this message comes back when the alarm says so
        self.alarm.set(subscription.backlog.next_event())

    def _lease_ended(self, lease: Lease) -> None:
        if lease.holder is not None:
            lease.holder.lease_ended(lease)

    async def _bury(self, subscription: Subscription, lease: Lease) -> None:
        """Move a message to the dead-letter topic: there, and gone from here, in one transaction."""
        policy = subscription.backlog.policy.dead_letter_policy
        topic = self.catalogue.topics.get(policy.topic) if policy else None
        if topic is None:
            self._cannot_bury(subscription, lease, "its dead-letter topic does not exist")
            return
        try:
            record = await self.record(subscription, lease.message_id)
        except StoreFailure as failure:
            self._cannot_bury(subscription, lease, str(failure))
            return
        if record is not None:
            self._enter(topic, [dead_letter(record, subscription.name, lease.attempt, lease.export_error)])
        self._remove(subscription, lease.message_id, lease.attempt)
        fate = "moved" if topic.subscriptions else "lost, for that topic has no subscription"
        _log.warning(
            "dead letter subscription=%s message_id=%s attempts=%s topic=%s: %s",
            subscription.name,
            lease.message_id,
            lease.attempt,
            topic.name,
            fate,
        )

    def _cannot_bury(self, subscription: Subscription, lease: Lease, reason: str) -> None:
        """As on the real service, a message that cannot be forwarded goes on being delivered."""
        _log.warning(
            "dead letter subscription=%s message_id=%s attempts=%s: stays, %s",
            subscription.name,
            lease.message_id,
            lease.attempt,
            reason,
        )
        self._restore(subscription, {lease.message_id: lease.attempt})

    def _restore(self, subscription: Subscription, attempts: dict[int, int]) -> None:
        not_before = self.clock.now() + RESTORE_AFTER
        for message_id, count in attempts.items():
            subscription.backlog.restore(message_id, count, not_before)
        self.alarm.set(not_before)

    def _advance(self) -> None:
        """Let time have passed: expire leases, wake who can go on, forget what is too old."""
        now = self.clock.now()
        forget = now >= self._forget_at
        if forget:
            self._forget_at = now + FORGET_EVERY
            self._start(self.snapshots.drop_expired(now))
            self._start(delete_idle(self.catalogue, now))
        for subscription in list(self.catalogue.subscriptions.values()):
            backlog = subscription.backlog
            for lease, state in backlog.expire_leases(now):
                self._attempt_failed(subscription, lease, state)
            if forget:
                for message_id in backlog.drop_expired(now):
                    self._remove(subscription, message_id, 0)
            if backlog.ready(now):
                subscription.wake()
            self.alarm.set(backlog.next_event())
        self.alarm.set(self._forget_at)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
