"""Logs what became of a message whose final attempt has failed."""

import logging

from localpubsub.backlog.lease import Lease
from localpubsub.broker.subscription import Subscription

_log = logging.getLogger("localpubsub.broker.dead_letter_log")


def log_dead_letter(subscription: Subscription, lease: Lease, result: str) -> None:
    """Log the result of moving a message to its dead-letter topic."""
    _log.warning(
        "dead letter subscription=%s message_id=%s attempts=%s %s",
        subscription.name,
        lease.message_id,
        lease.attempt,
        result,
    )
