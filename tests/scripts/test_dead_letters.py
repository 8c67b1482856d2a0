"""Tests which attributes scripts/dead_letter_messages.py removes from a dead letter."""

from hypothesis import given
from hypothesis import strategies as st

from contract.dead_letter import strip_dead_letter_attributes
from scripts.dead_letter_messages import original_message

NAMES = st.sampled_from(
    ["job_id", "reason", "detail", "attempt", "CloudPubSubDeadLetterSourceSubscription", "reasons"]
)


@given(attributes=st.dictionaries(NAMES, st.text(min_size=1, max_size=5)))
def test_original_message_removes_the_same_attributes_as_the_services(attributes: dict[str, str]) -> None:
    """The script removes the same attributes as `strip_dead_letter_attributes`.

    The script does not import that function, because it uses only the standard library.
    """
    message = original_message(
        {"ackId": "1", "message": {"messageId": "1", "data": "eA==", "attributes": attributes}}
    )
    assert message.get("attributes", {}) == strip_dead_letter_attributes(attributes)
