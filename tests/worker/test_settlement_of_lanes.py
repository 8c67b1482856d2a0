"""Tests that a lane stays closed for a site's Retry-After: its push is held, or not acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.outcome import Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from publishing.publisher import PublishUnconfirmed
from tests.servers.pushes import job
from tests.worker.settling import PUBLISH_SECONDS, RECEIVED_AT, REQUEST_SECONDS, Settlement
from tests.worker.worker_under_test import SETTLED
from worker.ack_policy import LAST_REDELIVERY, AckPolicy, success_policy

LIMITED = job(politeness={"delay_seconds": 1, "respect_robots": True})
REMAINING = REQUEST_SECONDS - 40  #: seconds of the request that remain when the attempt has ended
policies = pytest.mark.parametrize("policy", [success_policy, SETTLED])


@policies
def test_retry_after_that_fits_is_held_after_everything_is_published(policy: AckPolicy) -> None:
    """The push of a lane is answered only when the host may be requested again, as Retry-After says."""
    settlement = Settlement(policy)
    settled = settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=90)
    published = ["outcomes", "jobs"] if policy is SETTLED else ["outcomes"]
    assert settlement.journal == [*published, "held for 90 s"]
    assert settled.acknowledges is (policy is SETTLED)


@policies
def test_retry_after_that_does_not_fit_is_held_to_the_end_and_not_acknowledged(policy: AckPolicy) -> None:
    """If Retry-After is longer than the request, the job stays in Pub/Sub and keeps its lane closed.

    A copy would be delivered after the other jobs of the lane, which would each request the host in vain.
    """
    settlement = Settlement(policy)
    fits = REMAINING - 2 * PUBLISH_SECONDS  # two publishes may take their whole time
    settled = settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=fits + 0.001)
    assert settlement.journal == ["outcomes", f"held for {fits + 0.001:g} s"]
    assert (settled.acknowledges, settled.reason) == (False, Reason.HTTP_429)
    assert settlement.outcome().outcome is Outcome.RETRY


@policies
def test_lane_is_held_at_most_until_the_end_of_the_request(policy: AckPolicy) -> None:
    """A push is not held for longer than its request may last, whatever the site says."""
    settlement = Settlement(policy)
    settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=3600)
    assert settlement.journal == ["outcomes", f"held for {REMAINING:g} s"]
    assert settlement.clock() == RECEIVED_AT + REQUEST_SECONDS


@pytest.mark.parametrize(("attempts", "delivery"), [(9, 1), (0, LAST_REDELIVERY)])
def test_last_attempt_is_dead_lettered_however_long_its_retry_after_is(attempts: int, delivery: int) -> None:
    """A site that asks for an hour with each response does not keep its job and its lane for days.

    The push is held for as long as it can be answered, so the lane stays closed until then.
    """
    settlement = Settlement()
    data = job(politeness={"delay_seconds": 1, "respect_robots": True}, attempts=attempts)
    settled = settlement.settle(Reason.HTTP_429, data=data, delivery=delivery, retry_after=3600)
    held = REMAINING - 2 * PUBLISH_SECONDS
    assert settlement.journal == ["outcomes", "dead letters", f"held for {held:g} s"]
    assert settled.acknowledges


@policies
def test_job_without_a_lane_is_not_held_after_its_attempt(policy: AckPolicy) -> None:
    """Without a lane nothing stays closed by holding the push, so it is answered at once."""
    settlement = Settlement(policy)
    settlement.settle(Reason.HTTP_429, retry_after=90)
    assert not any("held" in entry for entry in settlement.journal)


@policies
@pytest.mark.parametrize("error", [PublishUnconfirmed("scrape-outcomes", "gone"), RuntimeError("boom")])
def test_lane_stays_closed_if_the_outcome_is_not_confirmed(policy: AckPolicy, error: Exception) -> None:
    """The job is delivered again, perhaps to an instance that does not know the Retry-After, but not before.

    Only the held push keeps the lane closed until then.
    """
    settlement = Settlement(policy)
    settlement.outcomes.error = error
    settled = settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=90)
    assert settlement.journal == ["held for 90 s"]
    assert not settled.acknowledges


def test_lane_stays_closed_if_the_copy_is_not_confirmed() -> None:
    """The same holds if the outcome is confirmed, but the job could not be published again."""
    settlement = Settlement(SETTLED)
    settlement.jobs.error = PublishUnconfirmed("scrape-jobs", "gone")
    settled = settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=90)
    assert settlement.journal == ["outcomes", "held for 90 s"]
    assert not settled.acknowledges


@given(
    policy=st.sampled_from([success_policy, SETTLED]),
    reason=st.sampled_from([reason for reason in Reason if reason is not Reason.DUPLICATE_DELIVERY]),
    elapsed=st.floats(0, REQUEST_SECONDS + 10),
    retry_after=st.none() | st.floats(0, 1e5),
    is_limited=st.booleans(),
)
def test_everything_is_published_within_the_request_and_the_outcome_first(
    policy: AckPolicy, reason: Reason, elapsed: float, retry_after: float | None, is_limited: bool
) -> None:
    """Whenever and however an attempt ends: the order holds, and nothing is published twice or late."""
    settlement = Settlement(policy)
    settlement.clock.seconds = RECEIVED_AT + elapsed
    settled = settlement.settle(reason, data=LIMITED if is_limited else job(), retry_after=retry_after)
    published = [entry for entry in settlement.journal if "held" not in entry]
    assert settlement.journal[: len(published)] == published
    assert published in ([], ["outcomes"], ["outcomes", "jobs"], ["outcomes", "dead letters"])
    assert settlement.clock() <= max(RECEIVED_AT + elapsed, RECEIVED_AT + REQUEST_SECONDS) + 1e-6
    if settled.acknowledges and reason not in {Reason.OK, Reason.CANCELLED, Reason.RUN_LIMIT}:
        assert len(published) == 2
        is_held = settlement.journal != published
        assert not is_held or settlement.clock() <= RECEIVED_AT + REQUEST_SECONDS - 2 * PUBLISH_SECONDS + 1e-6
    if not settled.acknowledges:
        assert len(published) <= 1
        assert REASON_MEANINGS[settled.reason].outcome is not Outcome.SUCCEEDED


def test_retry_after_of_another_host_does_not_close_the_lane() -> None:
    """If a page redirects to another host that sends Retry-After, the job's own host may be requested."""
    settlement = Settlement(SETTLED)
    settlement.settle(Reason.HTTP_429, data=LIMITED, retry_after=90, final_url="https://other.example/")
    assert settlement.journal == ["outcomes", "jobs"]
