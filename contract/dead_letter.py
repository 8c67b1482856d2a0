"""The attributes of a dead letter: which of them say why it is one, and which are the job's own.

Pub/Sub writes attributes of its own when it forwards a message to the dead-letter topic, but no reason. A
dead letter that the worker published itself (ACK_POLICY=settled) carries the reason.
"""

from collections.abc import Mapping

from contract.outcome_record import OutcomeRecord

PUBSUB_ATTRIBUTE_PREFIX = "CloudPubSubDeadLetter"  #: start of the attributes that Pub/Sub adds
MAX_ATTRIBUTE_VALUE_BYTES = 1024  #: largest attribute value that Pub/Sub takes (its quotas page)
REASON, DETAIL, ATTEMPT = "reason", "detail", "attempt"


def dead_letter_attributes(record: OutcomeRecord) -> dict[str, str]:
    """Return the attributes that say why, and at which attempt, a job was dead-lettered; none is empty."""
    detail = record.detail.encode()[:MAX_ATTRIBUTE_VALUE_BYTES].decode(errors="ignore")
    attributes = {REASON: record.reason.value, DETAIL: detail, ATTEMPT: str(record.attempt)}
    return {name: value for name, value in attributes.items() if value}


def strip_dead_letter_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a dead letter without those added when it was dead-lettered."""
    added = {REASON, DETAIL, ATTEMPT}
    return {
        name: value
        for name, value in attributes.items()
        if name not in added and not name.startswith(PUBSUB_ATTRIBUTE_PREFIX)
    }
