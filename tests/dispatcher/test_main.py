"""The dispatcher's edge, as functions-framework serves it."""

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
def own_logs() -> Iterator[None]:
    """Give the logs back that a dispatcher sets up for itself when it is loaded."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A client of the dispatcher, which reads its environment when it is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        patch.delenv("PORT", raising=False)
        # Nobody is there: what is tested here publishes nothing.
        patch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        with own_logs():
            client = make_client()
        yield client


def test_it_says_that_it_lives(client: FlaskClient) -> None:
    """Without a Pub/Sub, and without being wired."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/crawl", "/healthz/", "/favicon.ico", "//"])
def test_another_path_is_told_where_to_go(client: FlaskClient, path: str) -> None:
    """404, and what there is."""
    answer = client.post(path, data=b"{}")
    assert answer.status_code in {404, 308}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_told_which(client: FlaskClient, method: str) -> None:
    """405 with Allow (RFC 9110 section 15.5.6)."""
    answer = client.open("/", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json == {"error": f"{method} is not allowed; POST a crawl"}


def test_a_bad_crawl_is_told_with_all_its_paths(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """400 with every fault, and one line in the log."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    answer = client.post("/", data=b'{"name": "B", "sources": {}, "recipe": {"name": "b", "fields": {}}}')
    assert answer.status_code == 400
    assert answer.json is not None
    assert {fault["path"] for fault in answer.json["faults"]} == {"name", "sources", "recipe.fields"}
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.message == "dispatch_finished"
    assert line.__dict__["json_fields"]["status"] == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_told_so(client: FlaskClient, body: bytes) -> None:
    """400, and a sentence."""
    answer = client.post("/", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json is not None
    assert "the crawl" in answer.json["error"]


def test_a_crawl_larger_than_any_is_refused(client: FlaskClient) -> None:
    """By what it announces, with the bound."""
    answer = client.post("/", data=b" " * (MAX_CRAWL_BYTES + 1))
    assert answer.status_code == 400
    assert answer.json is not None
    assert f"at most {MAX_CRAWL_BYTES} are read" in answer.json["error"]


def test_a_dispatcher_that_takes_no_replays_says_what_to_set(client: FlaskClient) -> None:
    """It starts all the same; POST /replay is 403, so that every dead letter stays where it is."""
    answer = client.post("/replay", data=b"{}", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 403
    assert answer.json is not None
    for name in ("PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT", "PUSH_AUTH=none"):
        assert name in answer.json["error"]
    assert client.get("/replay").status_code == 405


def test_a_dispatcher_that_takes_replays_wants_a_token_and_a_push(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """401 without one; 400 where nobody asks for one and the body is no push; a line in the log each."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("PUSH_AUDIENCE", "https://dispatcher.example")
    monkeypatch.setenv("PUSH_SERVICE_ACCOUNT", "push@p.iam.gserviceaccount.com")
    with own_logs():
        client = make_client()
    caplog.set_level(logging.INFO, logger="scrapeq")
    assert client.post("/replay", data=b"{}").status_code == 401
    monkeypatch.setenv("PUSH_AUTH", "none")
    with own_logs():
        client = make_client()
    assert client.post("/replay", data=b"{}").status_code == 400
    ended = [
        record.__dict__["json_fields"] for record in caplog.records if record.message == "replay_finished"
    ]
    assert [(line["status"], line["reason"]) for line in ended] == [(401, "no_token"), (400, "bad_envelope")]


@pytest.mark.parametrize("missing", ["PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"])
def test_half_an_authentication_keeps_it_from_starting(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Both, for replays, or neither: one alone is a mistake in the deployment."""
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
def test_the_line_of_a_dispatch_belongs_to_its_requests_trace(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, headers: dict[str, str], trace: Trace
) -> None:
    """So that Cloud Logging shows it beside the request, and beside the jobs' deliveries."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    client.post("/", data=b"{}", headers=headers)
    [line] = [record for record in caplog.records if record.name == "scrapeq"]
    assert line.__dict__["trace_context"] == trace


def test_a_dispatch_without_a_trace_begins_one(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Each its own."""
    caplog.set_level(logging.INFO, logger="scrapeq")
    for _ in range(2):
        client.post("/", data=b"{}", headers={"traceparent": "00-nonsense"})
    traces = [record.__dict__["trace_context"] for record in caplog.records if record.name == "scrapeq"]
    assert len({trace.trace_id for trace in traces}) == 2
    assert all(Trace.parse(trace.traceparent(trace.span_id)) == trace for trace in traces)


def test_a_broken_environment_keeps_it_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with every fault, before any request is taken."""
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("PUBLISH_TIMEOUT_SECONDS", "0")
    with pytest.raises(SystemExit) as end:
        make_client()
    assert "GOOGLE_CLOUD_PROJECT: missing" in str(end.value)
    assert "PUBLISH_TIMEOUT_SECONDS: " in str(end.value)
