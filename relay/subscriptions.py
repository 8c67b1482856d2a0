"""Lists the subscriptions of a broker: those that a relay delivers, the dead letters, and the ledger's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    DISPATCH_SUBSCRIPTION,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    LEDGER_SUBSCRIPTIONS,
    PUSH_SUBSCRIPTION,
)
from localpubsub.backlog.retry_policy import RetryPolicy


@dataclass(frozen=True)
class Redelivery:
    """How the messages of a subscription are delivered again.

    Attributes:
        retry: seconds between two deliveries.
        max_attempts: number of deliveries after which a message is dead-lettered.
        single_active: whether only one relay at a time receives messages, so that it can keep their order.
        partitions: number of queues over which the messages are divided by their ordering key. If it is more
            than 1, only one relay at a time receives the messages of each.
    """

    retry: RetryPolicy
    max_attempts: int
    single_active: bool = False
    partitions: int = 1


@dataclass(frozen=True)
class Subscription:
    """A subscription.

    Attributes:
        name: its short name.
        topic: its topic.
        redelivery: how a relay delivers its messages again; None if it keeps each message until somebody
            acknowledges it, however often it is received.
        attribute: the attribute that a message must have; `""` if the subscription takes all messages.
    """

    name: str
    topic: str
    redelivery: Redelivery | None = None
    attribute: str = ""


def pushed(redelivery: Redelivery) -> dict[str, Subscription]:
    """Return the subscriptions that a relay delivers, by their names. Only the jobs have partitions."""
    jobs = Subscription(PUSH_SUBSCRIPTION, JOBS_TOPIC, redelivery)
    unordered = replace(redelivery, partitions=1)
    shards = Subscription(DISPATCH_SUBSCRIPTION, DISPATCH_TOPIC, unordered, attribute="shard")
    return {each.name: each for each in (jobs, shards)}


def pulled() -> Iterator[Subscription]:
    """Yield the subscriptions whose messages the operator and the ledger read."""
    yield Subscription(DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC)
    for topic, name in LEDGER_SUBSCRIPTIONS.items():
        yield Subscription(name, topic)


def all_subscriptions(redelivery: Redelivery) -> Iterator[Subscription]:
    """Yield all subscriptions."""
    yield from pushed(redelivery).values()
    yield from pulled()
