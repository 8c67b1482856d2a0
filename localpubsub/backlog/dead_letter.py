"""Makes the dead letter of a message whose delivery attempts are exhausted.

The dead letter is published to the dead-letter topic as a new message, with the data and attributes of the
original and with attributes that name its source:
https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic.
"""

from dataclasses import dataclass
from typing import Final

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage, PubsubMessagePb
from localpubsub.resources.limits import MAX_ATTRIBUTE_VALUE_BYTES

PREFIX: Final = "CloudPubSubDeadLetterSource"  #: Prefix of the attributes that Pub/Sub adds to a dead letter.


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """When and where the messages of a subscription are dead-lettered (proto: DeadLetterPolicy)."""

    topic: str  #: Full name of the dead-letter topic.
    max_delivery_attempts: int  #: Number of failed deliveries after which a message is dead-lettered, 5..100.


def dead_letter(record: bytes, subscription: str, attempts: int, error: str = "") -> PubsubMessagePb:
    """Return the message to publish to the dead-letter topic, without message id and publish time.

    Args:
        record: the original message, encoded.
        subscription: full name of the subscription that could not deliver the message.
        attempts: number of its deliveries by that subscription.
        error: why an export subscription could not write the message, or empty
            (https://cloud.google.com/pubsub/docs/create-bigquery-subscription#handle_message_failures).
    """
    message = PubsubMessage.FromString(record)
    _, project, _, name = subscription.split("/")
    message.attributes[PREFIX + "DeliveryCount"] = str(attempts)
    message.attributes[PREFIX + "Subscription"] = name
    message.attributes[PREFIX + "SubscriptionProject"] = project
    # The real service writes +00:00 here, and Z in the body of a push (both measured).
    message.attributes[PREFIX + "TopicPublishTime"] = rfc3339(message.publish_time) + "+00:00"
    if error:
        encoded = error.encode()[:MAX_ATTRIBUTE_VALUE_BYTES]
        message.attributes[PREFIX + "DeliveryErrorMessage"] = encoded.decode(errors="ignore")
    message.ClearField("message_id")
    message.ClearField("publish_time")
    return message
