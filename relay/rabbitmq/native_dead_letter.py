"""Explains the dead letters that RabbitMQ itself has moved: they have no reason, only the header `x-death`.

RabbitMQ moves a message that was returned as often as its queue allows, since each relay that received it was
killed or lost its connection: https://www.rabbitmq.com/docs/dlx#effects
"""

import time
from collections.abc import Mapping
from datetime import datetime

from contract.dead_letter import DETAIL, REASON
from contract.outcome import Reason
from publishing.rabbitmq.wire import StoredMessage
from relay.dead_letter import PUBLISH_TIME, SOURCE_SUBSCRIPTION
from relay.rabbitmq.partitions import subscription_name


def with_reason(stored: StoredMessage, headers: Mapping[str, object]) -> StoredMessage:
    """Return a dead letter with the attributes that a relay would have given it.

    One that a relay or a worker has published is returned as it is.

    Args:
        stored: the dead letter.
        headers: its headers. The first element of `x-death` is the newest.
    """
    deaths = headers.get("x-death")
    if REASON in stored.message.attributes or not isinstance(deaths, list) or not deaths:
        return stored
    newest = deaths[0] if isinstance(deaths[0], dict) else {}
    cause, queue, died = newest.get("reason"), str(newest.get("queue", "")), newest.get("time")
    detail = (
        f"RabbitMQ moved the message from the queue {queue} to the dead letters ({cause}): each relay that "
        "received it was killed or lost its connection"
    )
    published = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(stored.published_at))
    added = {
        REASON: Reason.DELIVERY_LIMIT.value,
        DETAIL: detail,
        SOURCE_SUBSCRIPTION: subscription_name(queue),
        PUBLISH_TIME: published,
    }
    message = stored.message._replace(attributes={**stored.message.attributes, **added})
    # The time in the header has whole seconds, so it may seem to be before the message was published.
    died_at = died.timestamp() if isinstance(died, datetime) else 0.0
    return stored._replace(message=message, published_at=max(stored.published_at, died_at))
