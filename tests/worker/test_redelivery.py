"""Tests deliveries of messages that the worker has finished before, and of messages that cannot be read."""

import json
import logging
from typing import Any

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from publishing.publisher import Message, PublishUnconfirmed
from tests.servers.pushes import ATTRIBUTES, JOB, job, push
from tests.worker.worker_under_test import SETTLED, LogEvents, WorkerUnderTest
from worker.ack_policy import AckPolicy, success_policy

FURTHER_PAGE: dict[str, Any] = {"page": 2, "listing": "f" * 32, "visited": ["0" * 12]}
policies = pytest.mark.parametrize("policy", [success_policy, SETTLED])


@policies
def test_finished_message_is_acknowledged_again_without_work(
    policy: AckPolicy, log_events: LogEvents
) -> None:
    """If an acknowledgement is lost, the redelivered message is only acknowledged; one line is logged."""
    worker = WorkerUnderTest(policy)
    assert worker.post(push(attempt=1)).status_code == 204
    again = worker.post(push(attempt=2))
    assert (again.status_code, again.data) == (204, b"")
    assert (len(worker.site.requested), len(worker.outcomes())) == (1, 1)
    [event] = log_events()  # The success was not logged.
    assert (event["reason"], event["outcome"], event["cause"]) == ("duplicate_delivery", "succeeded", "none")
    assert (event["level"], event["message_id"], event["job_id"]) == (logging.INFO, "42", JOB["job_id"])
    assert (event["status"], event["last_attempt"]) == (204, False)


@pytest.mark.parametrize("reason", [Reason.HTTP_404, Reason.HTTP_5XX, Reason.RATE_LIMITED])
def test_settled_message_is_acknowledged_again_without_work(reason: Reason) -> None:
    """A message that led to a dead letter or a copy leads to no second one if it is delivered again."""
    worker = WorkerUnderTest(SETTLED)
    worker.site.error = AttemptFailed(reason, "because")
    for attempt in (1, 2, 3):
        assert worker.post(push(attempt=attempt)).status_code == 204
    assert len(worker.jobs.published) + len(worker.dead_letters.published) == 1
    assert (len(worker.site.requested), len(worker.outcomes())) == (1, 1)


@policies
def test_message_that_was_not_acknowledged_is_scraped_again(policy: AckPolicy) -> None:
    """A message whose outcome was unconfirmed is not finished."""
    worker = WorkerUnderTest(policy)
    worker.publisher.error = PublishUnconfirmed("scrape-outcomes", "gone")
    assert worker.post(push(attempt=1)).status_code == 503
    worker.publisher.error = None
    assert worker.post(push(attempt=2)).status_code == 204
    assert (len(worker.site.requested), len(worker.outcomes())) == (2, 1)


@pytest.mark.parametrize("fails", [True, False])
def test_replayed_job_is_scraped_again(fails: bool) -> None:
    """A replay has a new message id, so its page is scraped again, whatever became of the job before."""
    worker = WorkerUnderTest(SETTLED)
    worker.site.error = AttemptFailed(Reason.HTTP_404, "gone") if fails else None
    assert worker.post(push(message_id="1")).status_code == 204
    worker.site.error = None
    assert worker.post(push(message_id="2")).status_code == 204
    assert len(worker.site.requested) == 2
    assert worker.outcomes()[-1].reason is Reason.OK


def test_further_page_that_succeeded_is_not_scraped_again() -> None:
    """A second message of the same further page would scrape the rest of its listing twice."""
    worker = WorkerUnderTest()
    data = job(**FURTHER_PAGE)
    assert worker.post(push(data, message_id="1")).status_code == 204
    assert worker.post(push(data, message_id="2")).status_code == 204
    assert len(worker.site.requested) == 1
    # And another page of the listing is scraped
    assert worker.post(push(job(**FURTHER_PAGE, job_id="a" * 32), message_id="3")).status_code == 204
    assert len(worker.site.requested) == 2


@pytest.mark.parametrize("reason", [Reason.HTTP_404, Reason.HTTP_5XX])
def test_copy_and_replay_of_a_failed_further_page_are_scraped(reason: Reason) -> None:
    """Only a success finishes a further page; its copies and its replay are further messages."""
    worker = WorkerUnderTest(SETTLED)
    worker.site.error = AttemptFailed(reason, "because")
    data = job(**FURTHER_PAGE)
    assert worker.post(push(data, attempt=1, message_id="1")).status_code == 204
    worker.site.error = None
    assert worker.post(push(data, attempt=1, message_id="2")).status_code == 204
    assert len(worker.site.requested) == 2


def settling_worker(unreadable_after: int | None = 3) -> WorkerUnderTest:
    """Return a worker that dead-letters unreadable messages at this delivery."""
    return WorkerUnderTest(SETTLED, unreadable_after=unreadable_after)


@pytest.mark.parametrize("attempt", [None, 1, 2])
def test_unreadable_message_is_not_settled_at_once(attempt: int | None, log_events: LogEvents) -> None:
    """A worker of the next version may be able to read the message, so it is first delivered again."""
    worker = settling_worker()
    assert worker.post(push(b"job", attempt)).status_code == 400
    assert worker.dead_letters.published == []
    [event] = log_events()
    assert (event["reason"], event["cause"], event["last_attempt"]) == ("bad_job", "message", False)


@pytest.mark.parametrize("attempt", [3, 7])
def test_unreadable_message_is_dead_lettered_with_its_reason(attempt: int, log_events: LogEvents) -> None:
    """After enough deliveries an unreadable message is dead-lettered unchanged, and acknowledged."""
    worker = settling_worker()
    response = worker.post(push(b"job", attempt, ordering_key="k", not_ours="x"))
    assert (response.status_code, response.data) == (204, b"")
    [event] = log_events()
    assert (event["reason"], event["status"], event["last_attempt"]) == ("bad_job", 204, True)
    added = {"not_ours": "x", "reason": "bad_job", "detail": event["detail"], "attempt": str(attempt)}
    assert worker.dead_letters.published == [Message(b"job", ATTRIBUTES | added, "k")]
    assert worker.publisher.published == worker.jobs.published == []


def test_unreadable_message_is_left_to_pubsub_with_success() -> None:
    """With ACK_POLICY=success the worker acknowledges no unreadable message."""
    worker = settling_worker(None)
    assert worker.post(push(b"job", 10)).status_code == 400
    assert worker.dead_letters.published == []


@pytest.mark.parametrize(
    ("error", "status"), [(PublishUnconfirmed("scrape-jobs-dead", "gone"), 400), (RuntimeError("boom"), 500)]
)
def test_unreadable_message_with_an_unconfirmed_dead_letter_is_not_acknowledged(
    log_events: LogEvents, error: Exception, status: int
) -> None:
    """If the dead letter is unconfirmed or its publisher fails, the message is delivered again."""
    worker = settling_worker()
    worker.dead_letters.error = error
    response = worker.post(push(b"job", 5))
    assert response.status_code == status
    assert len(log_events()) == 1
    assert json.loads(response.data)["reason"] == log_events()[0]["reason"]
