"""Creates the streams and consumer groups of Redis, and checks those that exist.

- A topic is a stream, whose key is the name of the topic.
- A subscription is a consumer group of it. So a message is stored once, whatever the number of subscriptions.
- The labels of the jobs topic are the value of a key.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from redis import exceptions

from contract.broker_url import broker_address
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC
from publishing.label_record import encode_labels
from publishing.redis.connection import describe_failure
from publishing.redis.durability import loss_risks
from publishing.redis.wire import labels_key
from relay.broker import CannotRelay
from relay.redis.session import Command, Session, Unsuitable
from relay.subscriptions import Subscription

NO_PARTITIONS = (
    "Redis has no consumer group in which one relay at a time receives messages; start one relay only if"
    " their order matters"
)

_log = logging.getLogger("relay")


def create(url: str, subscriptions: Iterable[Subscription]) -> list[str]:
    """Create streams, groups and labels; those that exist are kept. Return the names of the groups.

    Raises:
        CannotRelay: if Redis refuses, or if it may lose messages.
    """
    listed = list(subscriptions)
    # A new group begins with the oldest message of the topic.
    commands: list[Command] = [
        ("XGROUP", "CREATE", each.topic, each.name, "0", "MKSTREAM") for each in listed
    ]
    commands.append(("SET", labels_key(JOBS_TOPIC), encode_labels({}), "NX"))
    replies = asyncio.run(_once(url, *commands))
    for reply in replies:
        if isinstance(reply, Exception) and not str(reply).startswith("BUSYGROUP"):
            raise CannotRelay(describe_failure(broker_address(url), reply))
    return [each.name for each in listed]


async def check(url: str, session: Session, subscription: Subscription) -> None:
    """Connect, and check that the stream and the group of a subscription exist, and those of dead letters.

    Raises:
        CannotRelay: if they are missing, or if Redis cannot be reached or may lose messages.
    """
    address = broker_address(url)
    topics = {subscription.topic, DEAD_LETTER_TOPIC}
    replies = await _connected(url, session, *[("XINFO", "GROUPS", topic) for topic in topics])
    for topic, groups in zip(topics, replies, strict=True):
        if isinstance(groups, Exception):
            raise CannotRelay(f"{describe_failure(address, groups)} (topic {topic})")
        names = {bytes(group[1]).decode(errors="replace") for group in groups}
        if topic == subscription.topic and subscription.name not in names:
            raise CannotRelay(
                f"Redis at {address} has no group {subscription.name!r} of the stream {topic!r};"
                " `python -m relay --create` creates the streams and groups"
            )
    if risks := loss_risks(session.settings):
        _log.warning("loss_accepted broker=%s: messages may be lost, since %s", address, ", ".join(risks))


async def _once(url: str, *commands: Command) -> list[Any]:
    session = Session(url)
    try:
        return await _connected(url, session, *commands)
    finally:
        await session.close()


async def _connected(url: str, session: Session, *commands: Command) -> list[Any]:
    address = broker_address(url)
    try:
        return await session.execute(*commands)
    except Unsuitable as error:
        raise CannotRelay(f"Redis at {address} {error}") from None
    except exceptions.RedisError as error:
        raise CannotRelay(describe_failure(address, error)) from None
