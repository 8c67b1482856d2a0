"""Says in the attributes of a dead letter why it is one, as Pub/Sub and the worker do."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from contract.dead_letter import ATTEMPT, DETAIL, MAX_ATTRIBUTE_VALUE_BYTES, REASON
from relay.broker import Received

#: Attributes that Pub/Sub adds to a dead letter; the ledger's views read them.
DELIVERY_COUNT = "CloudPubSubDeadLetterSourceDeliveryCount"
SOURCE_SUBSCRIPTION = "CloudPubSubDeadLetterSourceSubscription"
PUBLISH_TIME = "CloudPubSubDeadLetterSourceTopicPublishTime"


@dataclass(frozen=True)
class Answer:
    """How the worker answered a push.

    Attributes:
        status: the HTTP status; 0 if there was no answer.
        reason: the worker's reason code; `""` if it gave none.
        detail: a sentence for people.
    """

    status: int
    reason: str = ""
    detail: str = ""


def dead_letter_attributes(
    received: Received, answer: Answer, deliveries: int, subscription: str
) -> Mapping[str, str]:
    """Return the attributes that a dead letter has in addition to its message's.

    Args:
        received: the message.
        answer: the last answer.
        deliveries: how often the message was delivered.
        subscription: the full name of the subscription.
    """
    detail = answer.detail or f"the last delivery was answered with the status {answer.status}"
    published = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(received.published_at))
    attributes = {
        REASON: answer.reason,
        DETAIL: detail.encode()[:MAX_ATTRIBUTE_VALUE_BYTES].decode(errors="ignore"),
        ATTEMPT: str(deliveries),
        DELIVERY_COUNT: str(deliveries),
        SOURCE_SUBSCRIPTION: subscription.rpartition("/")[2],
        PUBLISH_TIME: published,
    }
    return {name: value for name, value in attributes.items() if value}
