"""Dead letters' attributes: what is written about a death, and what a replay leaves out."""

from hypothesis import given
from hypothesis import strategies as st

from contract.dead_letter import dead_letter_attributes, strip_dead_letter_attributes
from contract.job import Job
from contract.outcome_record import OutcomeRecord
from tests.contract.documents import jobs, outcomes

PUBSUBS = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceDeliveryErrorMessage": "no such column",
}


@given(record=outcomes())
def test_a_death_is_what_pubsub_takes(record: OutcomeRecord) -> None:
    """No value is empty or has more than 1,024 bytes (Pub/Sub's quotas page)."""
    death = dead_letter_attributes(record)
    assert (death["reason"], death["attempt"]) == (record.reason, str(record.attempt))
    assert record.detail.startswith(death.get("detail", ""))
    assert all(0 < len(value.encode()) <= 1024 for value in death.values())


@given(job=jobs(), record=outcomes(), by_pubsub=st.booleans())
def test_a_replayed_job_knows_nothing_of_its_death(job: Job, record: OutcomeRecord, by_pubsub: bool) -> None:
    """Neither what the worker wrote nor what Pub/Sub wrote comes back with the job; all else does."""
    attributes = job.attributes("")
    assert not attributes.keys() & dead_letter_attributes(record).keys()
    letter = attributes | dead_letter_attributes(record) | (PUBSUBS if by_pubsub else {})
    assert strip_dead_letter_attributes(letter) == attributes
