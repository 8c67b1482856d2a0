"""Adds attributes to a dead letter that explain it, and removes them again.

When Pub/Sub forwards a message to the dead-letter topic, it adds attributes, but no reason. A dead letter
that the worker published itself (ACK_POLICY=settled) has attributes with the reason.
"""

from collections.abc import Mapping

from contract.outcome import Reason
from contract.quoting import hide_userinfo

PUBSUB_ATTRIBUTE_PREFIX = "CloudPubSubDeadLetter"  #: prefix of the names of the attributes that Pub/Sub adds
MAX_ATTRIBUTE_VALUE_BYTES = 1024  #: largest attribute value that Pub/Sub accepts (its quotas page)
REASON, DETAIL, ATTEMPT = "reason", "detail", "attempt"


def dead_letter_attributes(reason: Reason, detail: str, attempt: int) -> dict[str, str]:
    """Return the reason, the detail and the attempt of a dead-lettered job as attributes.

    An empty detail is left out.
    """
    detail = hide_userinfo(detail).encode()[:MAX_ATTRIBUTE_VALUE_BYTES].decode(errors="ignore")
    attributes = {REASON: reason.value, DETAIL: detail, ATTEMPT: str(attempt)}
    return {name: value for name, value in attributes.items() if value}


def strip_dead_letter_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a dead letter without those added when it was dead-lettered."""
    added = {REASON, DETAIL, ATTEMPT}
    return {
        name: value
        for name, value in attributes.items()
        if name not in added and not name.startswith(PUBSUB_ATTRIBUTE_PREFIX)
    }
