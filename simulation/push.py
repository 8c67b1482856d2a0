"""Defines one push of a message, as Pub/Sub sends it to Cloud Run."""

import base64
import json
from dataclasses import dataclass

from localpubsub.backlog.lease import Lease
from publishing.publisher import Message

NAME = "projects/simulation/subscriptions/scrape-jobs"  #: the full name of the push subscription


@dataclass(slots=True, eq=False)
class Push:
    """One push of one message.

    Attributes:
        message_id: id of the message.
        message: the message.
        lease: the lease of the delivery.
        sent_at: when Pub/Sub sent it, seconds since the epoch.
        closed_at: when Pub/Sub stopped waiting for its response; infinity while it waits.
        is_duplicate: whether Pub/Sub sent the same delivery twice, and this is the second one.
        twin: the other push of the same delivery, if Pub/Sub sent it twice.
        was_cut: whether it ended without a response of the worker, or its instance was told to stop.
        instance: number of the instance that got it; 0 before.
        received_at: when the instance got it, seconds since the epoch.
    """

    message_id: int
    message: Message
    lease: Lease
    sent_at: float
    closed_at: float = float("inf")
    is_duplicate: bool = False
    twin: "Push | None" = None
    was_cut: bool = False
    instance: int = 0
    received_at: float = 0.0

    @property
    def attempt(self) -> int:
        """The number of the delivery, `deliveryAttempt`."""
        return self.lease.attempt


def envelope(message: Message, message_id: int, attempt: int) -> bytes:
    """Return the body of a push request, as Pub/Sub sends it."""
    document = {
        "message": {
            "data": base64.b64encode(message.data).decode(),
            "attributes": message.attributes,
            "messageId": str(message_id),
            "publishTime": "2026-01-01T00:00:00.000Z",
            "orderingKey": message.ordering_key,
        },
        "subscription": NAME,
        "deliveryAttempt": attempt,
    }
    return json.dumps(document).encode()
