"""What the script leaves out of a letter, which has no package of ours to ask."""

from hypothesis import given
from hypothesis import strategies as st

from contract.dead_letter import strip_dead_letter_attributes
from scripts.dead_letters import own_message

NAMES = st.sampled_from(
    ["job_id", "reason", "detail", "attempt", "CloudPubSubDeadLetterSourceSubscription", "reasons"]
)


@given(attributes=st.dictionaries(NAMES, st.text(min_size=1, max_size=5)))
def test_the_same_is_left_out_as_by_the_services(attributes: dict[str, str]) -> None:
    """A replay by hand makes the job that a replay by push, or by `scrapeq replay`, makes."""
    made = own_message(
        {"ackId": "1", "message": {"messageId": "1", "data": "eA==", "attributes": attributes}}
    )
    assert made.get("attributes", {}) == strip_dead_letter_attributes(attributes)
