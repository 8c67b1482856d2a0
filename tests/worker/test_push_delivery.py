"""Tests pushes to the real Flask app: which are acknowledged, and what is logged and published."""

import hashlib
import logging
from collections.abc import Callable

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import ACKNOWLEDGING, Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS, status_of
from contract.trace import Trace
from publishing.publisher import PublishUnconfirmed
from tests.servers.pushes import JOB, TRACE, push
from tests.worker.worker_under_test import BODY, NOW, LogEvents, WorkerUnderTest
from worker.page import FetchedPage

FAILURES = [
    reason
    for reason in Reason
    if REASON_MEANINGS[reason].outcome not in {Outcome.SUCCEEDED, Outcome.CANCELLED}
]


def test_success_is_acknowledged_after_its_outcome_is_published(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """The push of a successful job gets the status 204; one outcome is published, and nothing is logged."""
    # When a job is delivered for the second time, and its page is scraped without an error
    response = worker.post(push(attempt=2))
    # Then the push is acknowledged
    assert (response.status_code, response.data) == (204, b"")
    # And every field of the outcome is set
    [outcome] = worker.outcomes()
    fields = outcome.model_dump()
    assert fields.pop("fetch_seconds") + fields.pop("waited_seconds") <= fields.pop("total_seconds")
    assert fields == {
        "version": 1,
        "job_id": JOB["job_id"],
        "run_id": JOB["run_id"],
        "crawl": "books",
        "url": "https://shop.example/1",
        "recipe": "book",
        "attempt": 2,
        "outcome": "succeeded",
        "reason": "ok",
        "final_url": "https://shop.example/one",
        "http_status": 200,
        "fetched_at": NOW,
        "body_bytes": len(BODY),
        "body_sha256": hashlib.sha256(BODY).hexdigest(),
        "items": '[{"title":"A Light in the Attic"}]',
        "item_count": 1,
        "detail": "",
        "worker": "r1/7",
        "page": 1,
        "listing": "",
        "listing_end": "",
        "next_url": "",
        "original": "",
    }
    # And its attributes have the identifiers and the trace
    attributes = worker.publisher.published[0].attributes
    assert (attributes["outcome"], attributes["reason"], attributes["job_id"]) == (
        "succeeded",
        "ok",
        JOB["job_id"],
    )
    child = Trace.parse(attributes["traceparent"])
    assert child is not None
    assert child == (TRACE.trace_id, child.span_id, TRACE.sampled)
    assert child.span_id != TRACE.span_id
    # And the log has no line, since the ledger gets the outcome
    assert log_events() == []


def test_a_delivery_that_failed_is_logged_with_every_identifier(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """The log line of a delivery that failed has the ids of its job, run, message and trace."""
    worker.site.error = AttemptFailed(Reason.HTTP_5XX, "the site answered 500")
    worker.post(push(attempt=2))
    [event] = log_events()
    assert event["level"] == logging.WARNING
    assert (event["outcome"], event["status"], event["attempt"], event["message_id"]) == (
        "retry",
        503,
        2,
        "42",
    )
    assert (event["job_id"], event["run_id"], event["trace"]) == (JOB["job_id"], JOB["run_id"], TRACE)
    assert (event["cause"], event["last_attempt"]) == ("page", False)


def test_an_unconfirmed_outcome_is_not_acknowledged(worker: WorkerUnderTest, log_events: LogEvents) -> None:
    """If Pub/Sub does not confirm the outcome, the response is 503, so that the job is delivered again."""
    # Given a page that can be scraped, and an outcomes topic that does not confirm
    worker.publisher.error = PublishUnconfirmed("scrape-outcomes", "no response within 5 s")
    # When the job is delivered
    response = worker.post(push())
    # Then the push is not acknowledged
    assert response.status_code == 503
    [event] = log_events()
    assert (event["reason"], event["level"]) == ("publish_unconfirmed", logging.WARNING)
    assert event["detail"] == "topic scrape-outcomes did not confirm: no response within 5 s"


def test_a_failure_with_an_unconfirmed_outcome_is_retried(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """If the outcome of a failed job is unconfirmed, the status is 503 and the log has both errors."""
    worker.site.error = AttemptFailed(Reason.HTTP_404, "the site answered 404", http_status=404)
    worker.publisher.error = PublishUnconfirmed("scrape-outcomes", "gone")
    assert worker.post(push()).status_code == 503
    assert log_events()[0]["detail"].startswith("http_404, but topic scrape-outcomes did not confirm")


@pytest.mark.parametrize("reason", FAILURES)
def test_every_failure_reason_is_published_and_sets_the_status(
    worker: WorkerUnderTest, log_events: LogEvents, reason: Reason
) -> None:
    """Each failure reason is published in an outcome and sets an HTTP status that does not acknowledge."""
    # Given a page whose fetch fails with this reason
    worker.site.error = AttemptFailed(reason, "because", http_status=418, final_url="https://shop.example/x")
    # When the job is delivered
    response = worker.post(push())
    # Then the status is the reason's, and does not acknowledge
    assert response.status_code == status_of(reason)
    assert response.status_code not in ACKNOWLEDGING
    assert response.json == {"reason": reason, "detail": "because"}
    # And the outcome is published
    [outcome] = worker.outcomes()
    assert (outcome.reason, outcome.outcome, outcome.detail) == (
        reason,
        REASON_MEANINGS[reason].outcome,
        "because",
    )
    assert (outcome.http_status, outcome.final_url) == (418, "https://shop.example/x")
    assert (outcome.items, outcome.item_count, outcome.body_sha256) == ("[]", 0, "")
    # And one line is logged
    [event] = log_events()
    assert (event["reason"], event["status"], event["http_status"]) == (reason, response.status_code, 418)
    assert (event["cause"], event["last_attempt"]) == (REASON_MEANINGS[reason].cause, False)


@pytest.mark.parametrize(("attempt", "is_last"), [(None, False), (9, False), (10, True), (11, True)])
def test_the_delivery_after_which_pubsub_dead_letters_is_logged_as_the_last(
    worker: WorkerUnderTest, log_events: LogEvents, attempt: int | None, is_last: bool
) -> None:
    """`last_attempt` is true if a job fails at the last of its deliveries, which alerts count."""
    worker.site.error = AttemptFailed(Reason.HTTP_5XX, "the site answered 500")
    worker.post(push(attempt=attempt))
    assert log_events()[0]["last_attempt"] is is_last


def fails_in_authentication(worker: WorkerUnderTest) -> None:
    """Let the token check raise an unexpected exception."""
    worker.authenticator.error = RuntimeError("boom")


def fails_in_fetch(worker: WorkerUnderTest) -> None:
    """Let the fetch raise an unexpected exception."""
    worker.site.error = RuntimeError("boom")


def fails_in_extraction(worker: WorkerUnderTest) -> None:
    """Let the site return a page whose content type is a number, which makes the extraction raise."""
    worker.site.page = FetchedPage("https://shop.example/", 200, 7, b"")  # type: ignore[arg-type]  # imitates a bug


def fails_in_recording(worker: WorkerUnderTest) -> None:
    """Let the site return a page whose body is None, which makes the creation of the outcome raise."""
    worker.site.page = FetchedPage("https://shop.example/", 200, "", None)  # type: ignore[arg-type]  # imitates a bug


def fails_in_publishing(worker: WorkerUnderTest) -> None:
    """Let the publisher raise an unexpected exception."""
    worker.publisher.error = RuntimeError("boom")


@pytest.mark.parametrize(
    "bug",
    [fails_in_authentication, fails_in_fetch, fails_in_extraction, fails_in_recording, fails_in_publishing],
)
def test_an_unexpected_exception_fails_with_500_and_is_not_acknowledged(
    worker: WorkerUnderTest, log_events: LogEvents, bug: Callable[[WorkerUnderTest], None]
) -> None:
    """An unexpected exception in any step responds with 500, and the log line has the exception."""
    bug(worker)
    assert worker.post(push()).status_code == 500
    [event] = log_events()
    assert (event["outcome"], event["level"]) == ("crashed", logging.ERROR)
    assert event["error"]
    assert type(event["error"][1]).__name__ in event["detail"]


def test_an_internal_error_has_an_outcome(worker: WorkerUnderTest) -> None:
    """An unexpected exception of the fetch is published as an outcome with the reason `internal_error`."""
    worker.site.error = RuntimeError("half a pair \ud800 and a lot" + "!" * 5000)
    assert worker.post(push()).status_code == 500
    [outcome] = worker.outcomes()
    assert (outcome.reason, outcome.url) == (Reason.INTERNAL_ERROR, "https://shop.example/1")
    assert outcome.detail.startswith("RuntimeError: half a pair ? and a lot!")


def test_a_job_without_a_trace_uses_the_requests_trace(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """If the job has no trace, the request's `traceparent` or else `X-Cloud-Trace-Context` is used."""
    worker.site.error = AttemptFailed(Reason.HTTP_5XX, "the site answered 500")
    cloud = {"X-Cloud-Trace-Context": "a" * 32 + "/18;o=1"}
    both = {**cloud, "traceparent": f"00-{'b' * 32}-{'c' * 16}-00"}
    worker.client.post("/", data=push(traceparent="", message_id="1"), headers=cloud)
    worker.client.post("/", data=push(traceparent="", message_id="2"), headers=both)
    worker.client.post("/", data=push(message_id="3"), headers=cloud)
    worker.client.post("/", data=b"no push", headers=cloud)
    clouds = Trace("a" * 32, "0000000000000012", sampled=True)
    assert [event["trace"] for event in log_events()] == [
        clouds,
        Trace("b" * 32, "c" * 16, sampled=False),
        TRACE,
        clouds,
    ]
    child = [message.attributes["traceparent"][3:35] for message in worker.publisher.published]
    assert child == ["a" * 32, "b" * 32, TRACE.trace_id]


def test_invalid_attributes_do_not_reject_a_job(worker: WorkerUnderTest) -> None:
    """A job with invalid message attributes is scraped; an invalid trace is not copied."""
    assert worker.post(push(job_id="nonsense\n", traceparent="x", run_id="")).status_code == 204
    [outcome] = worker.outcomes()
    assert outcome.job_id == JOB["job_id"]
    assert "traceparent" not in worker.publisher.published[0].attributes


def test_a_push_without_delivery_attempt_is_attempt_0(worker: WorkerUnderTest) -> None:
    """A push without deliveryAttempt, from a subscription without dead-letter policy, is attempt 0."""
    assert worker.post(push(attempt=None)).status_code == 204
    assert worker.outcomes()[0].attempt == 0


def test_an_unknown_path_fails_with_404_and_a_wrong_method_with_405(worker: WorkerUnderTest) -> None:
    """An unknown path has the status 404; a wrong method has 405, a JSON body and the header Allow."""
    assert worker.client.get("/healthz").json == {"status": "ok"}
    assert worker.client.get("/nothing").status_code == 404
    refused = worker.client.get("/")
    assert refused.status_code == 405
    assert "POST" in refused.headers["Allow"]
    assert refused.json is not None
    assert refused.json["reason"] == "Method Not Allowed"
