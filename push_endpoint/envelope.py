"""Parses the push envelope: the JSON in which Pub/Sub sends a message to an HTTP endpoint.

Source: https://cloud.google.com/pubsub/docs/push#receive_push
"""

import base64
import binascii
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, Field, ValidationError

from contract.faults import UnreadableEnvelope, parse_json_object

#: Maximum size of an envelope in bytes. It suffices for the largest job in base64, the largest set of
#: attributes (100 × 1,280 B, escaped), and the names of the fields.
MAX_ENVELOPE_BYTES = 512 * 1024


class _Message(BaseModel):
    data: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    messageId: str  # noqa: N815 - Pub/Sub's name of the field
    publishTime: str = ""  # noqa: N815 - Pub/Sub's name of the field
    orderingKey: str = ""  # noqa: N815 - Pub/Sub's name of the field


class _Push(BaseModel):
    message: _Message
    subscription: str = ""
    deliveryAttempt: Annotated[int, Field(ge=1)] | None = None  # noqa: N815 - Pub/Sub's name of the field


class Envelope(NamedTuple):
    """The content of one push.

    Attributes:
        data: the message's data, decoded from base64.
        attributes: the message's attributes.
        message_id: the id given by Pub/Sub; it is the same on every redelivery.
        publish_time: when the message was published, RFC 3339 as sent; `""` if missing.
        ordering_key: the message's ordering key; `""` if it has none.
        subscription: the name of the push subscription, `projects/P/subscriptions/S`; `""` if missing.
        delivery_attempt: the number of this delivery attempt, from 1; None if the subscription has no
            dead-letter policy.
    """

    data: bytes
    attributes: dict[str, str]
    message_id: str
    publish_time: str = ""
    ordering_key: str = ""
    subscription: str = ""
    delivery_attempt: int | None = None

    @classmethod
    def parse(cls, body: bytes, max_bytes: int = MAX_ENVELOPE_BYTES) -> Self:
        """Read the body of a push request of at most `max_bytes`.

        Raises:
            UnreadableEnvelope: with the body and every fault.
        """
        document = parse_json_object(body, UnreadableEnvelope, max_bytes=max_bytes, kind="push")
        try:
            push = _Push.model_validate(document)
        except ValidationError as error:
            raise UnreadableEnvelope.from_validation(body, error) from None
        try:
            data = base64.b64decode(push.message.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnreadableEnvelope.single_fault(body, f"not base64: {error}", "message.data") from None
        return cls(
            data=data,
            attributes=push.message.attributes,
            message_id=push.message.messageId,
            publish_time=push.message.publishTime,
            ordering_key=push.message.orderingKey,
            subscription=push.subscription,
            delivery_attempt=push.deliveryAttempt,
        )
