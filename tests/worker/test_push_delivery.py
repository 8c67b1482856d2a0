"""Deliveries, through the real Flask app: what is acknowledged, what is told, what is published."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import ACKNOWLEDGING, REASON_MEANINGS, Reason, status_of
from contract.outcome_record import OutcomeRecord
from contract.trace import Trace
from publishing.publisher import PublishUnconfirmed
from push_endpoint.authentication import accept_any_caller
from push_endpoint.errors import AuthenticationError
from push_endpoint.request_body import MAX_REQUEST_BYTES
from tests.servers.pushes import JOB, TRACE, job, push
from tests.servers.recording_publisher import RecordingPublisher
from worker.app import make_app
from worker.budget import PageBudget
from worker.page import FetchedPage
from worker.push_delivery import PushConsumer
from worker.scrape import MAX_ITEMS_BYTES, Scraper

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
BODY = b"<h1>A Light in the Attic</h1>"
PAGE = FetchedPage("https://shop.example/one", 200, "text/html", BODY)


class ScriptedSite:
    """A site that has one page, or ends each fetch as a test wants.

    Attributes:
        page: what it has.
        ending: what is raised instead.
        asked: the URLs, in order.
    """

    def __init__(self) -> None:
        self.page = PAGE
        self.ending: Exception | None = None
        self.asked: list[str] = []

    def fetch(self, url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        """Return the page, or raise the ending."""
        assert politeness == Politeness(**JOB["politeness"])
        assert budget.remaining() > 0
        self.asked.append(url)
        if self.ending is not None:
            raise self.ending
        return self.page


class Doorkeeper:
    """Hears whoever shows no reason against it.

    Attributes:
        ending: what everybody is told instead.
    """

    def __init__(self) -> None:
        self.ending: Exception | None = None

    def __call__(self, authorization: str) -> None:
        """Raise the ending, if there is one."""
        accept_any_caller(authorization)
        if self.ending is not None:
            raise self.ending


@contextmanager
def no_time_limit(_: PageBudget) -> Iterator[None]:
    """End nothing."""
    yield


@dataclass
class Desk:
    """A worker on small real things, behind its Flask app."""

    site: ScriptedSite
    doorkeeper: Doorkeeper
    publisher: RecordingPublisher

    def __post_init__(self) -> None:
        """Wire the worker."""
        scraper = Scraper(
            fetch=self.site.fetch,
            page_budget_seconds=40,
            time_limit=no_time_limit,
            now=lambda: NOW,
            name="r1/7",
        )
        consumer = PushConsumer(self.doorkeeper, scraper, self.publisher)
        self.client = make_app(consumer).test_client()

    def post(self, body: bytes) -> TestResponse:
        """Push a body."""
        return self.client.post("/", data=body, content_type="application/json")

    def outcomes(self) -> list[OutcomeRecord]:
        """Return what is on the outcomes topic."""
        return [OutcomeRecord.decode(message.data) for message in self.publisher.published]


@pytest.fixture
def desk(publisher: RecordingPublisher) -> Desk:
    """A worker whose page scrapes well."""
    return Desk(ScriptedSite(), Doorkeeper(), publisher)


Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Events:
    """The fields of every `delivery_finished` so far, with level and exception."""
    caplog.set_level(logging.INFO, logger="scrapeq")

    def events() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "scrapeq"]
        assert {record.message for record in records} <= {"delivery_finished"}
        return [
            record.__dict__["json_fields"]
            | {"level": record.levelno, "error": record.exc_info, "trace": record.__dict__["trace_context"]}
            for record in records
        ]

    return events


def test_a_good_page_is_acknowledged_after_its_outcome(desk: Desk, told: Events) -> None:
    """204 without a body, one outcome with all that is known of the page, one line in the log."""
    # When a job whose page scrapes well is delivered for the second time
    response = desk.post(push(attempt=2))
    # Then it is acknowledged
    assert (response.status_code, response.data) == (204, b"")
    # And the outcome says all of it
    [outcome] = desk.outcomes()
    said = outcome.model_dump()
    assert said.pop("fetch_seconds") <= said.pop("total_seconds")
    assert said == {
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
    }
    # And so do its attributes, with the trace it belongs to
    attributes = desk.publisher.published[0].attributes
    assert (attributes["outcome"], attributes["reason"], attributes["job_id"]) == (
        "succeeded",
        "ok",
        JOB["job_id"],
    )
    going_on = Trace.parse(attributes["traceparent"])
    assert going_on is not None
    assert going_on == (TRACE.trace_id, going_on.span_id, TRACE.sampled)
    assert going_on.span_id != TRACE.span_id
    # And one line carries every identifier
    [event] = told()
    assert event["level"] == logging.INFO
    assert (event["outcome"], event["status"], event["attempt"], event["message_id"]) == (
        "succeeded",
        204,
        2,
        "42",
    )
    assert (event["job_id"], event["run_id"], event["trace"]) == (JOB["job_id"], JOB["run_id"], TRACE)


def test_an_unconfirmed_outcome_is_not_acknowledged(desk: Desk, told: Events) -> None:
    """If Pub/Sub does not confirm the outcome, the job must be delivered again."""
    # Given a page that scrapes well, and an outcomes topic that does not answer
    desk.publisher.error = PublishUnconfirmed("scrape-outcomes", "no answer within 5 s")
    # When the job is delivered
    response = desk.post(push())
    # Then Pub/Sub is asked to redeliver
    assert response.status_code == 503
    [event] = told()
    assert (event["reason"], event["level"]) == ("publish_unconfirmed", logging.WARNING)
    assert event["detail"] == "topic scrape-outcomes did not confirm: no answer within 5 s"


def test_a_failure_that_cannot_be_told_is_to_be_retried(desk: Desk, told: Events) -> None:
    """The line of the log has both reasons, and the job comes again."""
    desk.site.ending = AttemptFailed(Reason.HTTP_404, "the site answered 404", http_status=404)
    desk.publisher.error = PublishUnconfirmed("scrape-outcomes", "gone")
    assert desk.post(push()).status_code == 503
    assert told()[0]["detail"].startswith("http_404, but topic scrape-outcomes did not confirm")


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.OK])
def test_every_reason_a_fetch_ends_for_is_published_and_answered(
    desk: Desk, told: Events, reason: Reason
) -> None:
    """Whatever ends a scrape: an outcome says why, the status is the table's, and none acknowledges."""
    # Given a page whose fetch ends for this reason
    desk.site.ending = AttemptFailed(reason, "because", http_status=418, final_url="https://shop.example/x")
    # When the job is delivered
    response = desk.post(push())
    # Then the answer is the table's, and no acknowledgement
    assert response.status_code == status_of(reason)
    assert response.status_code not in ACKNOWLEDGING
    assert response.json == {"reason": reason, "detail": "because"}
    # And the attempt is on the ledger
    [outcome] = desk.outcomes()
    assert (outcome.reason, outcome.outcome, outcome.detail) == (
        reason,
        REASON_MEANINGS[reason].outcome,
        "because",
    )
    assert (outcome.http_status, outcome.final_url) == (418, "https://shop.example/x")
    assert (outcome.items, outcome.item_count, outcome.body_sha256) == ("[]", 0, "")
    # And in one line of the log
    [event] = told()
    assert (event["reason"], event["status"], event["http_status"]) == (reason, response.status_code, 418)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.NO_TOKEN, 401),
        (Reason.BAD_TOKEN, 401),
        (Reason.WRONG_CALLER, 403),
        (Reason.NO_CERTIFICATES, 503),
    ],
)
def test_whoever_is_not_heard_sets_nothing_in_motion(
    desk: Desk, told: Events, reason: Reason, status: int
) -> None:
    """No page is fetched and nothing published for a push that anybody could have sent."""
    desk.doorkeeper.ending = AuthenticationError(reason, "because")
    assert desk.post(push()).status_code == status
    assert desk.site.asked == []
    assert desk.publisher.published == []
    assert [event["reason"] for event in told()] == [reason]


class Unread(BytesIO):
    """A body that fails whoever reads it."""

    def read(self, _size: int | None = -1) -> bytes:
        """Fail."""
        raise AssertionError("the body was read")


def test_whoever_is_not_heard_is_not_read(desk: Desk) -> None:
    """The token is checked first: a stranger's megabytes fill no memory."""
    desk.doorkeeper.ending = AuthenticationError(Reason.BAD_TOKEN, "because")
    announced = {"CONTENT_LENGTH": str(MAX_REQUEST_BYTES)}
    response = desk.client.post("/", input_stream=Unread(), environ_overrides=announced)
    assert response.status_code == 401


def test_a_push_that_ends_early_is_400(desk: Desk, told: Events) -> None:
    """No crash, and no acknowledgement: it comes again whole."""
    response = desk.client.post("/", data=b"{}", environ_overrides={"CONTENT_LENGTH": "1000"})
    assert response.status_code == 400
    assert told()[0]["detail"] == "the push ended before its 1000 bytes"


def fails_in_authentication(desk: Desk) -> None:
    """Let the check of the token raise."""
    desk.doorkeeper.ending = RuntimeError("boom")


def fails_in_fetch(desk: Desk) -> None:
    """Let the fetch raise."""
    desk.site.ending = RuntimeError("boom")


def fails_in_extraction(desk: Desk) -> None:
    """Let the page be something that extraction cannot read at all."""
    desk.site.page = FetchedPage("https://shop.example/", 200, 7, BODY)  # type: ignore[arg-type]  # what a bug does


def fails_in_recording(desk: Desk) -> None:
    """Let the page have a body that cannot be measured."""
    desk.site.page = FetchedPage("https://shop.example/", 200, "", None)  # type: ignore[arg-type]  # what a bug does


def fails_in_publishing(desk: Desk) -> None:
    """Let the publisher raise what it should not."""
    desk.publisher.error = RuntimeError("boom")


@pytest.mark.parametrize(
    "bug",
    [fails_in_authentication, fails_in_fetch, fails_in_extraction, fails_in_recording, fails_in_publishing],
)
def test_what_nobody_foresaw_is_never_acknowledged(
    desk: Desk, told: Events, bug: Callable[[Desk], None]
) -> None:
    """Wherever it happens: 500, and the line of the log carries the exception with its trace."""
    bug(desk)
    assert desk.post(push()).status_code == 500
    [event] = told()
    assert (event["outcome"], event["level"]) == ("crashed", logging.ERROR)
    assert event["error"]
    assert type(event["error"][1]).__name__ in event["detail"]


def test_a_crashed_attempt_is_on_the_ledger(desk: Desk) -> None:
    """A bug of ours is an outcome like any other: dispatched = succeeded + dead + in flight."""
    desk.site.ending = RuntimeError("half a pair \ud800 and a lot" + "!" * 5000)
    assert desk.post(push()).status_code == 500
    [outcome] = desk.outcomes()
    assert (outcome.reason, outcome.url) == (Reason.INTERNAL_ERROR, "https://shop.example/1")
    assert outcome.detail.startswith("RuntimeError: half a pair ? and a lot!")


def message(**changed: object) -> bytes:
    """Return a push whose message is changed; a field that is None is left out."""
    document = json.loads(push())
    changed_message = document["message"] | changed
    document["message"] = {name: value for name, value in changed_message.items() if value is not None}
    return json.dumps(document).encode()


UNREADABLE_ENVELOPES = {
    "empty": b"",
    "space": b" ",
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe{",
    "a string": b'"push"',
    "an array": b"[]",
    "null": b"null",
    "no message": b"{}",
    "message null": b'{"message": null}',
    "unwrapped": job(),
    "no id": message(messageId=None),
    "bad base64": message(data="%%%"),
    "base64 for URLs": message(data="_-8="),
    "base64 cut": message(data="QQ="),
    "data no string": message(data=7),
    "attributes no object": message(attributes=[]),
    "deep": b"[" * 100_000,
    "NaN": b'{"message": NaN}',
    "11 MB": push(b"x" * 8_000_000),
}


@pytest.mark.parametrize("body", UNREADABLE_ENVELOPES.values(), ids=UNREADABLE_ENVELOPES.keys())
def test_an_unreadable_envelope_is_400_and_one_line(desk: Desk, told: Events, body: bytes) -> None:
    """Nothing is fetched or published for it; the reason is in the answer and in the log."""
    response = desk.post(body)
    assert response.status_code == 400
    assert desk.site.asked == []
    assert desk.publisher.published == []
    [event] = told()
    assert (event["reason"], event["outcome"], event["level"]) == (
        "bad_envelope",
        "unreadable",
        logging.ERROR,
    )
    assert event["detail"]


UNREADABLE_JOBS = {
    "empty": b"",
    "not JSON": b"job",
    "an array": b"[]",
    "another version": job(version=2),
    "no version field of ours": job(version="1"),
    "no url": job(url=None),
    "no recipe": job(recipe=None),
    "bad selector": job(recipe={"name": "b", "fields": {"t": {"css": "h1["}}}),
    "bad pattern": job(recipe={"name": "b", "fields": {"t": {"css": "h1", "re": "("}}}),
    "another scheme": job(url="file:///etc/passwd"),
    "bad id": job(job_id="../../x"),
    "no time zone": job(dispatched_at="2026-11-22T06:00:00"),
    "too large": job(recipe={"name": "b", "fields": {"t": {"css": "h1", "default": "x" * 65536}}}),
}


@pytest.mark.parametrize("data", UNREADABLE_JOBS.values(), ids=UNREADABLE_JOBS.keys())
def test_an_unreadable_job_is_400_and_known_by_its_attributes(desk: Desk, told: Events, data: bytes) -> None:
    """The body cannot be read; job, run and trace stand in the message's attributes, and so in the log."""
    assert desk.post(push(data)).status_code == 400
    assert desk.site.asked == []
    assert desk.publisher.published == []
    [event] = told()
    assert (event["reason"], event["message_id"], event["attempt"]) == ("bad_job", "42", 2)
    assert (event["job_id"], event["run_id"], event["trace"]) == (JOB["job_id"], JOB["run_id"], TRACE)
    assert event["detail"]


def test_a_job_without_a_trace_belongs_to_its_requests(desk: Desk, told: Events) -> None:
    """Cloud Run's, in either header; the job's own, which began at the dispatcher, comes first."""
    body, cloud = push(traceparent=""), {"X-Cloud-Trace-Context": "a" * 32 + "/18;o=1"}
    desk.client.post("/", data=body, headers=cloud)
    desk.client.post("/", data=body, headers={**cloud, "traceparent": f"00-{'b' * 32}-{'c' * 16}-00"})
    desk.client.post("/", data=push(), headers=cloud)
    desk.client.post("/", data=b"no push", headers=cloud)
    clouds = Trace("a" * 32, "0000000000000012", sampled=True)
    assert [event["trace"] for event in told()] == [
        clouds,
        Trace("b" * 32, "c" * 16, sampled=False),
        TRACE,
        clouds,
    ]
    going_on = [message.attributes["traceparent"][3:35] for message in desk.publisher.published]
    assert going_on == ["a" * 32, "b" * 32, TRACE.trace_id]


def test_attributes_that_are_none_cost_no_job(desk: Desk, told: Events) -> None:
    """Attributes serve logs and joins; a job that can be read is scraped without them."""
    assert desk.post(push(job_id="nonsense\n", traceparent="x", run_id="")).status_code == 204
    assert told()[0]["job_id"] == JOB["job_id"]
    assert "traceparent" not in desk.publisher.published[0].attributes


def test_a_push_that_nobody_counts_is_attempt_0(desk: Desk) -> None:
    """A subscription without a dead-letter policy sends no deliveryAttempt."""
    assert desk.post(push(attempt=None)).status_code == 204
    assert desk.outcomes()[0].attempt == 0


def test_a_push_without_a_known_size_is_refused(desk: Desk, told: Events) -> None:
    """Pub/Sub says how long a push is; what does not is not read."""
    response = desk.client.post("/", input_stream=None, headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 400
    assert told()[0]["reason"] == "bad_envelope"


def test_a_push_larger_than_pubsubs_is_refused_unread(desk: Desk, told: Events) -> None:
    """By what it announces: no memory is filled with it."""
    response = desk.client.post(
        "/", data=b"x", environ_overrides={"CONTENT_LENGTH": str(MAX_REQUEST_BYTES + 1)}
    )
    assert response.status_code == 400
    assert str(MAX_REQUEST_BYTES + 1) in told()[0]["detail"]


def page(body: str) -> FetchedPage:
    """Return a page of the shop."""
    return FetchedPage("https://shop.example/one", 203, "text/html; charset=utf-8", body.encode())


@pytest.mark.parametrize(
    ("field", "body", "reason", "detail"),
    [
        (
            {"css": "h2", "required": True},
            "<h1>x</h1>",
            Reason.MISSING_FIELD,
            "f: nothing on the page matches h2",
        ),
        (
            {"css": "h1", "type": "number", "required": True},
            "<h1>x</h1>",
            Reason.BAD_VALUE,
            "f: 'x' holds no number",
        ),
        ({"xpath": "//a[$x]"}, "<a>", Reason.BAD_RECIPE, "a selector of book failed: Undefined variable"),
    ],
)
def test_an_extraction_that_fails_says_what_the_page_was(
    desk: Desk, field: dict[str, Any], body: str, reason: Reason, detail: str
) -> None:
    """The page was there: the outcome keeps its URL, status, size and hash, for whoever mends the recipe."""
    desk.site.page = page(body)
    assert desk.post(push(job(recipe={"name": "book", "fields": {"f": field}}))).status_code == 422
    [outcome] = desk.outcomes()
    assert (outcome.reason, outcome.detail) == (reason, detail)
    assert (outcome.final_url, outcome.http_status) == ("https://shop.example/one", 203)
    assert (outcome.body_bytes, outcome.body_sha256) == (len(body), hashlib.sha256(body.encode()).hexdigest())


def test_an_encoding_that_no_page_has_fails(desk: Desk) -> None:
    """`charset`, with the page's own word for it."""
    desk.site.page = FetchedPage("https://shop.example/", 200, "text/html; charset=undefined", BODY)
    assert desk.post(push()).status_code == 422
    assert desk.outcomes()[0].reason is Reason.CHARSET


@pytest.mark.parametrize("text", ["日" * 500_000, '"' * 800_000, "\x01" * 300_000])
def test_items_larger_than_an_outcome_takes_fail_and_are_told(desk: Desk, text: str) -> None:
    """Measured as they travel, with bytes and escapes; else the outcome itself would be lost."""
    desk.site.page = page(f"<h1>{text}</h1>".replace("\x01", "&#92;"))
    fields = {name: {"css": "h1", "type": "html"} for name in ("a", "b", "c", "d")}
    assert desk.post(push(job(recipe={"name": "book", "fields": fields}))).status_code == 422
    [outcome] = desk.outcomes()
    assert outcome.reason is Reason.TOO_LARGE
    assert f"at most {MAX_ITEMS_BYTES}" in outcome.detail
    assert len(desk.publisher.published[0].data) < 10_000


def test_remarks_about_optional_fields_are_kept(desk: Desk) -> None:
    """A scrape that succeeded with something odd says so in its outcome."""
    desk.site.page = page("<h1>free</h1>")
    desk.post(push(job(recipe={"name": "book", "fields": {"price": {"css": "h1", "type": "number"}}})))
    [outcome] = desk.outcomes()
    assert (outcome.reason, outcome.items) == (Reason.OK, '[{"price":null}]')
    assert outcome.detail == "price: 'free' holds no number"


def test_items_are_json_in_a_string(desk: Desk) -> None:
    """What a BigQuery JSON column takes: every character whole, numbers as numbers."""
    desk.site.page = page('<h1>1,234.5</h1><p>"日本" \\ </p>')
    fields = {"n": {"css": "h1", "type": "number"}, "t": {"css": "p"}, "l": {"css": "h1, p", "many": True}}
    desk.post(push(job(recipe={"name": "book", "fields": fields})))
    [outcome] = desk.outcomes()
    assert json.loads(outcome.items) == [{"n": 1234.5, "t": '"日本" \\', "l": ["1,234.5", '"日本" \\']}]


def test_other_paths_and_methods_are_told_what_there_is(desk: Desk) -> None:
    """404 and 405 in JSON, with the methods that are answered (RFC 9110 section 15.5.6)."""
    assert desk.client.get("/healthz").json == {"status": "ok"}
    assert desk.client.get("/nothing").status_code == 404
    refused = desk.client.get("/")
    assert refused.status_code == 405
    assert "POST" in refused.headers["Allow"]
    assert refused.json is not None
    assert refused.json["reason"] == "Method Not Allowed"


near_pushes = st.builds(
    lambda document, name, value: json.dumps(document | {name: value}).encode(),
    st.just(json.loads(push())),
    st.sampled_from(["message", "subscription", "deliveryAttempt"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.dictionaries(st.text(max_size=9), st.text(max_size=3)),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | near_pushes | st.binary(max_size=100).map(push))
def test_arbitrary_bytes_are_neither_acknowledged_nor_a_crash(desk: Desk, body: bytes) -> None:
    """Whatever is posted that holds no job: refused by name, nothing set in motion."""
    desk.site.asked.clear()
    response = desk.post(body)
    if response.status_code == 204:
        assert desk.site.asked == ["https://shop.example/1"]
    else:
        assert 400 <= response.status_code < 500
        assert desk.site.asked == []
