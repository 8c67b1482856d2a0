"""Logs the messages that become dead letters, and those that are lost."""

import logging

from localpubsub.backlog.lease import Lease
from localpubsub.broker.subscription import Subscription

_log = logging.getLogger("localpubsub.broker.message_log")


def log_dead_letter(subscription: Subscription, lease: Lease, result: str) -> None:
    """Log the result of moving a message to its dead-letter topic."""
    _log.warning(
        "dead letter subscription=%s message_id=%s attempts=%s %s",
        subscription.name,
        lease.message_id,
        lease.attempt,
        result,
    )


def log_lost_message(subscription: Subscription, lease: Lease) -> None:
    """Log that the record of an unacknowledged message is missing."""
    _log.error(
        "message lost subscription=%s message_id=%s: its record is missing, the file is damaged",
        subscription.name,
        lease.message_id,
    )
