"""What becomes of a message that used up its delivery attempts.

https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic: it is published to the dead-letter
topic as a new message, with its old data and attributes and four more that say where it came from.
"""

from dataclasses import dataclass
from typing import Final

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage, PubsubMessagePb
from localpubsub.resources.limits import MAX_ATTRIBUTE_VALUE_BYTES

PREFIX: Final = "CloudPubSubDeadLetterSource"


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """proto: DeadLetterPolicy, defaults filled in."""

    topic: str  #: full name of the dead-letter topic
    max_delivery_attempts: int  #: 5..100


def dead_letter(record: bytes, subscription: str, attempts: int, error: str = "") -> PubsubMessagePb:
    """The message that stands for ``record`` on the dead-letter topic, still without id and time.

    Args:
        record: the original message, encoded.
        subscription: full name of the subscription it failed on.
        attempts: how often it was delivered there.
        error: why an export subscription could not write it
            (https://cloud.google.com/pubsub/docs/create-bigquery-subscription#handle_message_failures).
    """
    message = PubsubMessage.FromString(record)
    _, project, _, name = subscription.split("/")
    message.attributes[PREFIX + "DeliveryCount"] = str(attempts)
    message.attributes[PREFIX + "Subscription"] = name
    message.attributes[PREFIX + "SubscriptionProject"] = project
    # Measured on the real service: +00:00 here, where a push body has Z.
    message.attributes[PREFIX + "TopicPublishTime"] = rfc3339(message.publish_time) + "+00:00"
    if error:
        most = MAX_ATTRIBUTE_VALUE_BYTES
        message.attributes[PREFIX + "DeliveryErrorMessage"] = error.encode()[:most].decode(errors="ignore")
    message.ClearField("message_id")
    message.ClearField("publish_time")
    return message
