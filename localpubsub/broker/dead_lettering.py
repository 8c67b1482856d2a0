"""Moves messages to dead-letter topics.

https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

from localpubsub.backlog.dead_letter import dead_letter
from localpubsub.backlog.lease import Lease
from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.message_log import log_dead_letter
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import PubsubMessagePb
from localpubsub.storage.journal import Journal

MOVED_AT_ONCE: Final = 256  #: Number of messages that are moved in one transaction.


class Messages(Protocol):
    """The part of a broker that reads, adds and removes messages; see Broker."""

    catalogue: Catalogue
    journal: Journal
    tasks: BackgroundTasks

    async def read(self, subscription: Subscription, lease: Lease) -> bytes | None:
        """Return the record of a message, whether or not the lease has ended, or None if it is missing."""

    def add(self, topic: Topic, messages: Sequence[PubsubMessagePb]) -> range:
        """Add messages to a topic, in the next transaction."""

    def remove(self, subscription: Subscription, message_id: int, attempts: int) -> None:
        """Remove a message from the backlog on disk, in the next transaction."""

    def restore(self, subscription: Subscription, attempts: dict[int, int]) -> None:
        """Add messages to the backlog in memory again."""


async def move_all(broker: Messages, subscription: Subscription) -> None:
    """Move all messages that wait for it, some at a time, so that other calls have their turns."""
    waiting = subscription.dead_letters
    while waiting:
        some = list(islice(waiting, MOVED_AT_ONCE))
        # As tasks, they share their reads, and an error of one does not concern the others.
        await asyncio.wait([broker.tasks.start(_move(broker, subscription, lease)) for lease in some])
        for _ in some:
            waiting.popleft()
        if waiting:
            with suppress(StoreFailure):  # The messages were restored, and will be moved again.
                await broker.journal.commit()


async def _move(broker: Messages, subscription: Subscription, lease: Lease) -> None:
    """Move a message, whose final attempt has failed, to the dead-letter topic, in one transaction.

    If that is impossible, continue to deliver the message, as the real service does.
    """
    record, failure = None, "its dead-letter topic does not exist"
    if _topic(broker, subscription) is not None:
        try:
            record, failure = await broker.read(subscription, lease), ""
        except StoreFailure as error:
            failure = str(error)
    if subscription.deleted_or_detached:
        return
    topic = _topic(broker, subscription)
    if topic is None or failure:
        log_dead_letter(subscription, lease, f"not moved: {failure or 'its dead-letter topic was deleted'}")
        broker.restore(subscription, {lease.message_id: lease.attempt})
        return
    if record is not None:
        broker.add(topic, [dead_letter(record, subscription.name, lease.attempt, lease.export_error)])
    broker.remove(subscription, lease.message_id, lease.attempt)
    result = "moved" if topic.subscriptions else "lost, because the topic has no subscription"
    log_dead_letter(subscription, lease, f"{result} topic={topic.name}")


def _topic(broker: Messages, subscription: Subscription) -> Topic | None:
    policy = subscription.backlog.policy.dead_letter_policy
    return broker.catalogue.topics.get(policy.topic) if policy else None
