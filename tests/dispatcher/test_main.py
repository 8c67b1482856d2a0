"""The dispatcher's entry point, as functions-framework serves it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import functions_framework
import pytest
from flask.testing import FlaskClient

from contract.crawl import MAX_CRAWL_BYTES
from contract.trace import Trace

MAIN = Path(__file__).parents[2] / "dispatcher" / "main.py"


def make_client() -> FlaskClient:
    """Load the dispatcher as functions-framework does."""
    app = functions_framework.create_app("dispatch", str(MAIN))  # type: ignore[no-untyped-call]  # no types
    client: FlaskClient = app.test_client()
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
    """A client of a dispatcher, which reads its environment when it is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        patch.delenv("PORT", raising=False)
        # No server listens there, and no test of this client publishes anything.
        patch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        with restored_logs():
            client = make_client()
        yield client


def test_healthz_is_200_without_pubsub(client: FlaskClient) -> None:
    """The health check needs no wiring."""
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/crawl", "/healthz/", "/favicon.ico", "//"])
def test_an_unknown_path_is_404(client: FlaskClient, path: str) -> None:
    """The response names the path to use."""
    response = client.post(path, data=b"{}")
    assert response.status_code in {404, 308}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_405_with_allow(client: FlaskClient, method: str) -> None:
    """RFC 9110 section 15.5.6."""
    response = client.open("/", method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.json == {"error": f"{method} is not allowed; POST a crawl"}


def test_an_invalid_crawl_is_400_with_every_fault_and_one_log_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Each fault has its path."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    response = client.post("/", data=b'{"name": "B", "sources": {}, "recipe": {"name": "b", "fields": {}}}')
    assert response.status_code == 400
    assert response.json is not None
    assert {fault["path"] for fault in response.json["faults"]} == {"name", "sources", "recipe.fields"}
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.message == "dispatch_finished"
    assert line.__dict__["json_fields"]["status"] == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_crawl_that_is_not_a_json_object_is_400(client: FlaskClient, body: bytes) -> None:
    """The response says so in a sentence."""
    response = client.post("/", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json is not None
    assert "the crawl" in response.json["error"]


def test_a_crawl_over_the_maximum_size_is_400(client: FlaskClient) -> None:
    """Its Content-Length is enough to reject it; the response names the limit."""
    response = client.post("/", data=b" " * (MAX_CRAWL_BYTES + 1))
    assert response.status_code == 400
    assert response.json is not None
    assert f"at most {MAX_CRAWL_BYTES} are read" in response.json["error"]


def test_replay_without_push_settings_is_403_and_names_them(client: FlaskClient) -> None:
    """The dispatcher starts without them; a 403 leaves every dead letter in its subscription."""
    response = client.post("/replay", data=b"{}", headers={"Authorization": "Bearer x"})
    assert response.status_code == 403
    assert response.json is not None
    for name in ("PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT", "PUSH_AUTH=none"):
        assert name in response.json["error"]
    assert client.get("/replay").status_code == 405


def test_replay_without_a_token_is_401_and_without_a_push_400(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With PUSH_AUTH=none no token is needed; each request has one log line."""
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
    """Replays need both; one alone is a mistake in the deployment."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    for name in {"PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"} - {missing}:
        monkeypatch.setenv(name, "x")
    with pytest.raises(
        SystemExit, match="PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT must both be set, or neither"
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
    """Cloud Logging then shows it with the request and with the deliveries of its jobs."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    client.post("/", data=b"{}", headers=headers)
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.__dict__["trace_context"] == trace


def test_a_dispatch_without_a_trace_starts_one(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Each dispatch has its own."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    for _ in range(2):
        client.post("/", data=b"{}", headers={"traceparent": "00-nonsense"})
    traces = [record.__dict__["trace_context"] for record in caplog.records if record.name == "scrapeq"]
    assert len({trace.trace_id for trace in traces}) == 2
    assert all(Trace.parse(trace.traceparent(trace.span_id)) == trace for trace in traces)


def test_invalid_settings_keep_the_dispatcher_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names every fault, before any request is taken."""
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("PUBLISH_TIMEOUT_SECONDS", "0")
    with pytest.raises(SystemExit) as end:
        make_client()
    assert "GOOGLE_CLOUD_PROJECT: missing" in str(end.value)
    assert "PUBLISH_TIMEOUT_SECONDS: " in str(end.value)
