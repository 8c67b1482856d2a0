"""Dead letters: what their attributes say of the death, and what is left of them when they are replayed.

Pub/Sub gives no reason. A letter that the worker itself wrote (ACK_POLICY=settled) has one.
"""

from collections.abc import Mapping

from contract.outcome_record import OutcomeRecord

PUBSUBS = "CloudPubSubDeadLetter"  #: what Pub/Sub's own attributes of a dead letter begin with
MAX_VALUE_BYTES = 1024  #: of an attribute (Pub/Sub's quotas page)
REASON, DETAIL, ATTEMPT = "reason", "detail", "attempt"


def dead_letter_attributes(record: OutcomeRecord) -> dict[str, str]:
    """Return the attributes that say why and when a job was settled as dead; none of them is empty."""
    detail = record.detail.encode()[:MAX_VALUE_BYTES].decode(errors="ignore")
    death = {REASON: record.reason.value, DETAIL: detail, ATTEMPT: str(record.attempt)}
    return {name: value for name, value in death.items() if value}


def strip_dead_letter_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return a letter's attributes as they were while it was a job."""
    ours = {REASON, DETAIL, ATTEMPT}
    return {
        name: value for name, value in attributes.items() if name not in ours and not name.startswith(PUBSUBS)
    }
