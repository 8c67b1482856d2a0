"""Adds published messages to each subscription whose filter they match, and to the retained messages.

The retainers of a topic are the owners for which its messages are retained (see storage/seek_sql.py).
"""

from collections.abc import Iterable, Sequence

from localpubsub.backlog.message import encode_with_id
from localpubsub.backlog.ordered_backlog import key_number
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.protocol.messages import PubsubMessagePb
from localpubsub.storage.transaction import Transaction


def route(
    transaction: Transaction, topic: Topic, message_ids: range, messages: Sequence[PubsubMessagePb]
) -> None:
    """Add the messages of a topic to a transaction, encoded with their ids."""
    records = [
        (message_id, encode_with_id(message, message_id))
        for message_id, message in zip(message_ids, messages, strict=True)
    ]
    subscriptions, retainers = topic.subscriptions, topic.retainers
    if not retainers and not any(each.filter or each.ordered for each in subscriptions):
        transaction.publish(topic.number, [each.number for each in subscriptions], records)
        return
    with_ids = list(zip(message_ids, messages, strict=True))
    kept = set(message_ids) if retainers else set()
    for subscription in subscriptions:
        kept.update(_route_to(transaction, subscription, with_ids))
    for retainer in retainers:
        transaction.retained[retainer] += message_ids
    transaction.messages += [
        (message_id, topic.number, record) for message_id, record in records if message_id in kept
    ]


def _route_to(
    transaction: Transaction, subscription: Subscription, with_ids: Iterable[tuple[int, PubsubMessagePb]]
) -> list[int]:
    """Add the messages that match the filter to the subscription's backlog, and return their ids."""
    condition = subscription.filter
    if condition is not None:
        with_ids = [each for each in with_ids if condition.matches(each[1].attributes)]
    message_ids = [message_id for message_id, _ in with_ids]
    if message_ids:
        transaction.backlog[subscription.number] += message_ids
    if subscription.ordered:
        keyed = [(message_id, key_number(message.ordering_key)) for message_id, message in with_ids]
        if keyed := [each for each in keyed if each[1]]:
            transaction.keys[subscription.number] += keyed
    return message_ids
