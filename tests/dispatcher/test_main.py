"""The dispatcher's entry point is tested as functions-framework serves it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import functions_framework
import pytest
from flask.testing import FlaskClient

from contract.crawl import MAX_CRAWL_BYTES
from contract.trace import Trace
from push_endpoint.request_body import MAX_REQUEST_BYTES, READ_BYTES
from tests.repository.tree import ROOT

MAIN = ROOT / "dispatcher" / "main.py"


def make_client() -> FlaskClient:
    """Load the dispatcher as functions-framework does."""
    app = functions_framework.create_app("dispatch", str(MAIN))  # type: ignore[no-untyped-call]  # no types
    client: FlaskClient = app.test_client()
    client.environ_base["CONTENT_TYPE"] = "application/json"
    return client


@contextmanager
def restored_logs() -> Iterator[None]:
    """Restore the log handlers that a dispatcher replaces when it is loaded."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A client of a dispatcher. The dispatcher reads the environment only when it is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        patch.delenv("PORT", raising=False)
        # No server listens at this address, and no test with this client publishes a message.
        patch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        with restored_logs():
            client = make_client()
        yield client


def test_healthz_responds_with_200_without_pubsub(client: FlaskClient) -> None:
    """The health check succeeds even if Pub/Sub is not available."""
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/crawl", "/healthz/", "/favicon.ico", "//"])
def test_an_unknown_path_is_not_found(client: FlaskClient, path: str) -> None:
    """A POST to another path gets a 404, or a redirect (308) if the path has double slashes."""
    response = client.post(path, data=b"{}")
    assert response.status_code in {404, 308}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_rejected_with_405_and_allow(client: FlaskClient, method: str) -> None:
    """The response to another method than POST has an Allow header (RFC 9110 section 15.5.6)."""
    response = client.open("/", method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.json == {"error": f"{method} is not allowed; POST a crawl"}


def test_an_invalid_crawl_is_rejected_with_400_and_logged_once(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The response to an invalid crawl has the path of every fault, and one log line is written."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    response = client.post("/", data=b'{"name": "B", "sources": {}, "recipe": {"name": "b", "fields": {}}}')
    assert response.status_code == 400
    assert response.json is not None
    assert {fault["path"] for fault in response.json["faults"]} == {"name", "sources", "recipe.fields"}
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.message == "dispatch_finished"
    assert line.__dict__["json_fields"]["status"] == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_crawl_that_is_not_a_json_object_is_rejected_with_400(client: FlaskClient, body: bytes) -> None:
    """A body that is not a JSON object is rejected with a sentence about the crawl."""
    response = client.post("/", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json is not None
    assert "the crawl" in response.json["error"]


def test_a_crawl_over_the_maximum_size_is_rejected_with_400(client: FlaskClient) -> None:
    """A crawl whose Content-Length is above the maximum is rejected, and the response names the maximum."""
    response = client.post("/", data=b" " * (MAX_CRAWL_BYTES + 1))
    assert response.status_code == 400
    assert response.json is not None
    assert f"the maximum is {MAX_CRAWL_BYTES}" in response.json["error"]


class EndlessBody(BytesIO):
    """A body in chunks that does not end, and counts the bytes that were read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return as many bytes as requested; a body must never be read without a maximum."""
        assert size is not None
        assert 0 <= size <= 2 * MAX_REQUEST_BYTES
        self.count += size
        return b" " * size


@pytest.mark.parametrize(
    ("requested", "status", "maximum"),
    [
        ("POST /", 400, MAX_CRAWL_BYTES),
        ("POST /replay", 403, 0),
        ("POST /elsewhere", 404, 0),
        ("PUT /", 405, 0),
    ],
)
@pytest.mark.parametrize("length", [None, 10**12])
def test_an_endless_body_is_read_up_to_the_maximum(
    client: FlaskClient, requested: str, status: int, maximum: int, length: int | None
) -> None:
    """A body in chunks without an end, or with an enormous length, is not read by the framework either."""
    body = EndlessBody()
    environ = {"wsgi.input_terminated": True} if length is None else {"CONTENT_LENGTH": str(length)}
    method, path = requested.split()
    response = client.open(path, method=method, input_stream=body, environ_overrides=environ)
    assert response.status_code == status
    assert body.count <= maximum + 2 * READ_BYTES


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_crawl_of_another_content_type_is_rejected_with_415(client: FlaskClient, content_type: str) -> None:
    """A crawl that is not sent as application/json, as by a web page's form, is rejected with a sentence."""
    response = client.post("/", data=b"{}", content_type=content_type)
    assert response.status_code == 415
    assert response.json is not None
    assert f"the Content-Type is {content_type!r}" in response.json["error"]
    assert client.post("/", data=b"{}", content_type="application/json; charset=utf-8").status_code == 400


@pytest.mark.parametrize("path", ["/", "/replay", "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_request_of_a_web_page_is_refused_with_403(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]
) -> None:
    """A request with a foreign Host, Origin or site is refused before its body is read, and logged."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    body = EndlessBody()
    response = client.post(path, input_stream=body, content_length=10**12, headers=headers)
    assert (response.status_code, body.count) == (403, 0)
    assert response.json is not None
    assert response.json["error"].startswith("the request was refused: ")
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert (line.message, line.__dict__["json_fields"]["path"]) == ("request_refused", path)


def test_a_crawl_in_chunks_is_read(client: FlaskClient) -> None:
    """A crawl without a Content-Length is read and checked like any other."""
    response = client.post(
        "/", input_stream=BytesIO(b'{"name": "Books!"}'), environ_overrides={"wsgi.input_terminated": True}
    )
    assert response.status_code == 400
    assert response.json is not None
    assert {fault["path"] for fault in response.json["faults"]} >= {"name", "recipe"}


def test_replay_without_push_settings_is_rejected_with_403_and_names_them(client: FlaskClient) -> None:
    """A dispatcher without push settings rejects replays with a 403, whose error names the settings."""
    response = client.post("/replay", data=b"{}", headers={"Authorization": "Bearer x"})
    assert response.status_code == 403
    assert response.json is not None
    for name in ("PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT", "PUSH_AUTH=none"):
        assert name in response.json["error"]
    assert client.get("/replay").status_code == 405


def test_replay_is_rejected_with_401_without_a_token_and_with_400_without_a_push(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A replay without a token, or without a push under PUSH_AUTH=none, is rejected and logged once."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("PUSH_AUDIENCE", "https://dispatcher.example")
    monkeypatch.setenv("PUSH_SERVICE_ACCOUNT", "push@p.iam.gserviceaccount.com")
    with restored_logs():
        client = make_client()
    caplog.set_level(logging.INFO, logger="scrapeq")
    assert client.post("/replay", data=b"{}").status_code == 401
    monkeypatch.setenv("PUSH_AUTH", "none")
    with restored_logs():
        client = make_client()
    assert client.post("/replay", data=b"{}").status_code == 400
    log_lines = [
        record.__dict__["json_fields"] for record in caplog.records if record.message == "replay_finished"
    ]
    assert [(line["status"], line["reason"]) for line in log_lines] == [
        (401, "no_token"),
        (400, "bad_envelope"),
    ]


@pytest.mark.parametrize("missing", ["PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"])
def test_audience_without_account_or_account_without_audience_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """The dispatcher does not start if only one of PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT is set."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    for name in {"PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"} - {missing}:
        monkeypatch.setenv(name, "x")
    with pytest.raises(
        SystemExit, match="PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT must both be set or both be unset"
    ):
        make_client()


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, Trace(TRACE, SPAN, sampled=True)),
        ({"X-Cloud-Trace-Context": f"{TRACE}/1;o=0"}, Trace(TRACE, "0000000000000001", sampled=False)),
    ],
)
def test_the_log_line_of_a_dispatch_has_the_requests_trace(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, headers: dict[str, str], trace: Trace
) -> None:
    """The log line of a dispatch has the trace in the headers of its request."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    client.post("/", data=b"{}", headers=headers)
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.__dict__["trace_context"] == trace


def test_a_dispatch_without_a_trace_starts_one(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Each dispatch whose request has no valid trace is logged with a new trace."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    for _ in range(2):
        client.post("/", data=b"{}", headers={"traceparent": "00-nonsense"})
    traces = [record.__dict__["trace_context"] for record in caplog.records if record.name == "scrapeq"]
    assert len({trace.trace_id for trace in traces}) == 2
    assert all(Trace.parse(trace.traceparent(trace.span_id)) == trace for trace in traces)


def test_invalid_settings_keep_the_dispatcher_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher ends at its start with one sentence that names every invalid setting."""
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("PUBLISH_TIMEOUT_SECONDS", "0")
    with pytest.raises(SystemExit) as end:
        make_client()
    assert "GOOGLE_CLOUD_PROJECT: missing" in str(end.value)
    assert "PUBLISH_TIMEOUT_SECONDS: " in str(end.value)
