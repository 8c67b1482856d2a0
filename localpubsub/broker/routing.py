"""Adds published messages to each subscription whose filter they match, and to the retained messages.

The retainers of a topic are the owners for which its messages are retained (see storage/slices.py).
"""

from collections.abc import Iterable, Sequence

from localpubsub.backlog.message import encode_with_id
from localpubsub.backlog.ordering_keys import key_number
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.protocol.messages import PubsubMessagePb
from localpubsub.storage.transaction import Transaction


def route(
    transaction: Transaction,
    topic: Topic,
    message_ids: range,
    messages: Sequence[PubsubMessagePb],
    publish_times: range,
) -> None:
    """Add the messages of a topic to a transaction, encoded with their ids.

    ``publish_times`` are in microseconds since 1970.
    """
    records = [
        (message_id, encode_with_id(message, message_id, publish_time))
        for message_id, message, publish_time in zip(message_ids, messages, publish_times, strict=True)
    ]
    subscriptions, retainers = topic.subscriptions, topic.retainers
    keys: dict[int, int] = {}
    if any(each.ordered for each in subscriptions):
        keys = {
            message_id: key_number(message.ordering_key)
            for message_id, message in zip(message_ids, messages, strict=True)
            if message.ordering_key
        }
    if not retainers and not any(each.filter for each in subscriptions):
        backlogs = [number for each in subscriptions for number in each.backlog_numbers]
        transaction.publish(topic.number, backlogs, records)
        for subscription in subscriptions:
            _add_keys(transaction, subscription, keys)
        return
    with_ids = list(zip(message_ids, messages, strict=True))
    kept = set(message_ids) if retainers else set()
    for subscription in subscriptions:
        matching = _route_to(transaction, subscription, with_ids)
        kept.update(matching)
        _add_keys(transaction, subscription, {each: keys[each] for each in matching if each in keys})
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
        for number in subscription.backlog_numbers:
            transaction.backlog[number] += message_ids
    return message_ids


def _add_keys(transaction: Transaction, subscription: Subscription, keys: dict[int, int]) -> None:
    """Add the ordering keys, by message id, if the subscription has message ordering."""
    if subscription.ordered and keys:
        for number in subscription.backlog_numbers:
            transaction.keys[number] += keys.items()
