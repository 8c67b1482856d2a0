"""Tests what a worker answers to a push whose job its operator has cancelled or paused."""

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Outcome, Reason
from publishing.publisher import PublishUnconfirmed
from tests.servers.pushes import push
from tests.worker.worker_under_test import SETTLED, WorkerUnderTest
from worker.ack_policy import AckPolicy, success_policy

POLICIES = pytest.mark.parametrize("policy", [success_policy, SETTLED], ids=["success", "settled"])


@POLICIES
def test_a_cancelled_job_is_acknowledged_after_its_outcome_is_published(policy: AckPolicy) -> None:
    """Under both policies the push gets the status 204, and the only message is the outcome `cancelled`."""
    worker = WorkerUnderTest(policy)
    worker.site.error = AttemptFailed(Reason.CANCELLED, "the operator has cancelled run r")
    assert worker.post(push()).status_code == 204
    [outcome] = worker.outcomes()
    assert (outcome.outcome, outcome.reason) == (Outcome.CANCELLED, Reason.CANCELLED)
    assert not worker.jobs.published
    assert not worker.dead_letters.published
    # And a message that is delivered again is only acknowledged
    assert worker.post(push()).status_code == 204
    assert len(worker.outcomes()) == 1


@POLICIES
def test_a_cancelled_job_with_an_unconfirmed_outcome_is_redelivered(policy: AckPolicy) -> None:
    """Without a confirmed outcome the job would not be accounted, so the push is not acknowledged."""
    worker = WorkerUnderTest(policy)
    worker.site.error = AttemptFailed(Reason.CANCELLED)
    worker.publisher.error = PublishUnconfirmed("scrape-outcomes", "gone")
    assert worker.post(push()).status_code == 503


def test_a_paused_job_is_published_again_without_an_attempt() -> None:
    """With ACK_POLICY=settled a paused job is published again as it was, and then acknowledged."""
    worker = WorkerUnderTest(SETTLED)
    worker.site.error = AttemptFailed(Reason.PAUSED)
    assert worker.post(push(attempt=1)).status_code == 204
    [outcome] = worker.outcomes()
    assert (outcome.outcome, outcome.reason) == (Outcome.DEFERRED, Reason.PAUSED)
    assert len(worker.jobs.published) == 1
    assert not worker.dead_letters.published


def test_a_paused_job_is_redelivered_with_ack_policy_success() -> None:
    """With ACK_POLICY=success a paused job that was held to its end is not acknowledged."""
    worker = WorkerUnderTest()
    worker.site.error = AttemptFailed(Reason.PAUSED)
    assert worker.post(push()).status_code == 503
    assert not worker.jobs.published
