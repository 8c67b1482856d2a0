"""Tests pushes that are rejected: unauthenticated, or with an unreadable envelope or job."""

import json
import logging
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.outcome import Reason
from push_endpoint.errors import AuthenticationError
from push_endpoint.request_body import MAX_REQUEST_BYTES, READ_BYTES
from tests.servers.pushes import JOB, TRACE, job, push
from tests.worker.worker_under_test import LogEvents, WorkerUnderTest


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.NO_TOKEN, 401),
        (Reason.BAD_TOKEN, 401),
        (Reason.WRONG_CALLER, 403),
        (Reason.NO_CERTIFICATES, 503),
    ],
)
def test_an_unauthenticated_push_fetches_and_publishes_nothing(
    worker: WorkerUnderTest, log_events: LogEvents, reason: Reason, status: int
) -> None:
    """A push without a valid token is rejected and logged; no page is requested and nothing is published."""
    worker.authenticator.error = AuthenticationError(reason, "because")
    assert worker.post(push()).status_code == status
    assert worker.site.requested == []
    assert worker.publisher.published == []
    assert [event["reason"] for event in log_events()] == [reason]


class UnreadableBody(BytesIO):
    """A request body that fails the test if it is read."""

    def read(self, _size: int | None = -1) -> bytes:
        """Fail the test."""
        raise AssertionError("the body was read")


def test_an_unauthenticated_body_is_not_read(worker: WorkerUnderTest) -> None:
    """The token is checked before the body is read, so that a large unauthenticated body uses no memory."""
    worker.authenticator.error = AuthenticationError(Reason.BAD_TOKEN, "because")
    announced = {"CONTENT_LENGTH": str(MAX_REQUEST_BYTES)}
    response = worker.client.post("/", input_stream=UnreadableBody(), environ_overrides=announced)
    assert response.status_code == 401


def test_an_incomplete_push_is_rejected_with_400(worker: WorkerUnderTest, log_events: LogEvents) -> None:
    """A push whose body is shorter than its Content-Length is rejected with 400, so it is delivered again."""
    response = worker.client.post("/", data=b"{}", environ_overrides={"CONTENT_LENGTH": "1000"})
    assert response.status_code == 400
    assert log_events()[0]["detail"] == "the push ended before its 1000 bytes were received"


def message(**changed: object) -> bytes:
    """Return a push whose message has these fields changed; None removes a field."""
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
def test_an_unreadable_envelope_is_rejected_with_400_and_logged(
    worker: WorkerUnderTest, log_events: LogEvents, body: bytes
) -> None:
    """A push with an unreadable envelope is rejected with 400 and logged as `bad_envelope`.

    No page is requested and nothing is published.
    """
    response = worker.post(body)
    assert response.status_code == 400
    assert worker.site.requested == []
    assert worker.publisher.published == []
    [event] = log_events()
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
    "another version": job(version=3),
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
def test_an_unreadable_job_is_rejected_with_400_and_logged_with_its_attributes(
    worker: WorkerUnderTest, log_events: LogEvents, data: bytes
) -> None:
    """An unreadable job is rejected with 400; its log line has the ids and the trace of its attributes."""
    assert worker.post(push(data)).status_code == 400
    assert worker.site.requested == []
    assert worker.publisher.published == []
    [event] = log_events()
    assert (event["reason"], event["message_id"], event["attempt"]) == ("bad_job", "42", 2)
    assert (event["job_id"], event["run_id"], event["trace"]) == (JOB["job_id"], JOB["run_id"], TRACE)
    assert event["detail"]


def test_a_push_in_chunks_is_accepted(worker: WorkerUnderTest) -> None:
    """A push in chunks, as proxies may send it (RFC 9112 section 7.1), is scraped like any other."""
    response = worker.client.post(
        "/", input_stream=BytesIO(push()), environ_overrides={"wsgi.input_terminated": True}
    )
    assert response.status_code == 204


class EndlessBody(BytesIO):
    """A body in chunks that does not end, and counts the bytes that were read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return as many bytes as requested, up to the size of one read."""
        assert size == READ_BYTES
        self.count += size
        return b" " * size


class IncompleteChunks(BytesIO):
    """A body whose last chunk is missing, for which gunicorn raises an OSError."""

    def read(self, _size: int | None = -1) -> bytes:
        """Raise an error."""
        raise OSError


def test_an_endless_push_in_chunks_is_rejected_with_400(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """A push in chunks is read up to the maximum size of a push."""
    body = EndlessBody()
    response = worker.client.post("/", input_stream=body, environ_overrides={"wsgi.input_terminated": True})
    assert response.status_code == 400
    assert f"a push of more than {MAX_REQUEST_BYTES} bytes" in log_events()[0]["detail"]
    assert body.count <= MAX_REQUEST_BYTES + READ_BYTES


def test_an_incomplete_push_in_chunks_is_rejected_with_400(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """A push whose last chunk is missing is rejected, so it is delivered again."""
    response = worker.client.post(
        "/", input_stream=IncompleteChunks(), environ_overrides={"wsgi.input_terminated": True}
    )
    assert response.status_code == 400
    assert "before its last chunk was received" in log_events()[0]["detail"]


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}])
def test_a_push_without_a_body_is_rejected_with_400(
    worker: WorkerUnderTest, log_events: LogEvents, headers: dict[str, str]
) -> None:
    """A request without a body is rejected with 400."""
    response = worker.client.post("/", input_stream=None, headers=headers)
    assert response.status_code == 400
    assert log_events()[0]["reason"] == "bad_envelope"


def test_a_push_over_the_maximum_size_is_rejected_with_400_and_not_read(
    worker: WorkerUnderTest, log_events: LogEvents
) -> None:
    """A push is rejected by its Content-Length alone if that is more than Pub/Sub's maximum."""
    response = worker.client.post(
        "/", data=b"x", environ_overrides={"CONTENT_LENGTH": str(MAX_REQUEST_BYTES + 1)}
    )
    assert response.status_code == 400
    assert str(MAX_REQUEST_BYTES + 1) in log_events()[0]["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_request_of_a_web_page_is_refused_with_403(
    worker: WorkerUnderTest, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A push with a foreign Host, Origin or site is refused before its body is read, and logged."""
    caplog.set_level(logging.WARNING, logger="scrapeq")
    body = UnreadableBody(push())
    response = worker.client.post("/", input_stream=body, headers=headers)
    assert response.status_code == 403
    assert response.json is not None
    assert response.json["reason"] == "Forbidden"
    assert response.json["detail"].startswith("the request was refused: ")
    assert worker.site.requested == []
    assert [record.message for record in caplog.records] == ["request_refused"]
    assert worker.client.get("/healthz", headers=headers).status_code == 403


pushes_with_one_changed_field = st.builds(
    lambda document, name, value: json.dumps(document | {name: value}).encode(),
    st.just(json.loads(push())),
    st.sampled_from(["message", "subscription", "deliveryAttempt"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.dictionaries(st.text(max_size=9), st.text(max_size=3)),
)


@settings(deadline=None)
@given(body=st.binary(max_size=200) | pushes_with_one_changed_field | st.binary(max_size=100).map(push))
def test_arbitrary_bytes_are_neither_acknowledged_nor_an_internal_error(body: bytes) -> None:
    """A body without a readable job is rejected with a 4xx status, and no page is requested."""
    worker = WorkerUnderTest()
    response = worker.post(body)
    if response.status_code == 204:
        assert worker.site.requested == ["https://shop.example/1"]
    else:
        assert 400 <= response.status_code < 500
        assert worker.site.requested == []
