"""Where published messages go: to every subscription whose filter they pass, and to whoever keeps them."""

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
    """Put messages of a topic into a transaction, sealed with their ids."""
    records = [
        (number, encode_with_id(message, number))
        for number, message in zip(message_ids, messages, strict=True)
    ]
    subscriptions, retainers = topic.subscriptions, topic.retainers
    if not retainers and not any(each.filter or each.ordered for each in subscriptions):
        transaction.publish(topic.number, [each.number for each in subscriptions], records)
        return
    wanted = set(message_ids) if retainers else set()
    by_number = list(zip(message_ids, messages, strict=True))
    for subscription in subscriptions:
        wanted.update(_route_to(transaction, subscription, by_number))
    for keeper in retainers:
        transaction.retained[keeper] += message_ids
    transaction.messages += [(number, topic.number, record) for number, record in records if number in wanted]


def _route_to(
    transaction: Transaction, subscription: Subscription, by_number: Iterable[tuple[int, PubsubMessagePb]]
) -> list[int]:
    """Ids of the messages that the subscription gets."""
    condition = subscription.filter
    if condition is not None:
        by_number = [each for each in by_number if condition.matches(each[1].attributes)]
    message_ids = [number for number, _ in by_number]
    if message_ids:
        transaction.backlog[subscription.number] += message_ids
    if subscription.ordered:
        keyed = [(number, key_number(message.ordering_key)) for number, message in by_number]
        if keyed := [each for each in keyed if each[1]]:
            transaction.keys[subscription.number] += keyed
    return message_ids
