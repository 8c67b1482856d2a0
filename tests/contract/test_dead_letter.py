"""Tests of the attributes that the worker adds to a dead letter and that a replay removes."""

from hypothesis import given
from hypothesis import strategies as st

from contract.dead_letter import dead_letter_attributes, strip_dead_letter_attributes
from contract.job import Job
from contract.outcome_record import OutcomeRecord
from tests.contract.documents import jobs, outcomes

FROM_PUBSUB = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceDeliveryErrorMessage": "no such column",
}


@given(record=outcomes())
def test_dead_letter_attributes_fit_pubsub(record: OutcomeRecord) -> None:
    """No attribute added to a dead letter is empty or has more than 1,024 bytes (Pub/Sub's quotas page)."""
    added = dead_letter_attributes(record.reason, record.detail, record.attempt)
    assert (added["reason"], added["attempt"]) == (record.reason, str(record.attempt))
    assert record.detail.startswith(added.get("detail", ""))
    assert all(0 < len(value.encode()) <= 1024 for value in added.values())


@given(job=jobs(), record=outcomes(), by_pubsub=st.booleans())
def test_strip_dead_letter_attributes_leaves_the_job_attributes(
    job: Job, record: OutcomeRecord, by_pubsub: bool
) -> None:
    """All attributes that the worker or Pub/Sub added are removed, and the job's own attributes are kept."""
    attributes = job.attributes("")
    assert not attributes.keys() & dead_letter_attributes(record.reason, record.detail, record.attempt).keys()
    dead_letter = (
        attributes
        | dead_letter_attributes(record.reason, record.detail, record.attempt)
        | (FROM_PUBSUB if by_pubsub else {})
    )
    assert strip_dead_letter_attributes(dead_letter) == attributes
