"""Each log event is written as one line, as text or as JSON for Cloud Logging."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.outcome import Outcome
from contract.trace import Trace
from runtime import log

#: The fields that google-cloud-logging writes in every line of an event without a trace.
CONSTANT_FIELDS = {
    "httpRequest": {},
    "logging.googleapis.com/labels": {"python_logger": "scrapeq"},
    "logging.googleapis.com/sourceLocation": {},
    "logging.googleapis.com/spanId": "",
    "logging.googleapis.com/trace": "",
    "logging.googleapis.com/trace_sampled": False,
}
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, whose handlers are restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def text_log(root: logging.Logger) -> Iterator[io.StringIO]:
    """The output of a service that logs as text."""
    del root
    with redirect_stdout(io.StringIO()) as output:
        log.configure(on_cloud_run=False)
        yield output


def test_an_event_is_one_readable_line(text_log: io.StringIO) -> None:
    """The line of an event has its level, its name and every field that is not empty."""
    log.event(
        log.WARNING, "delivery_finished", {"outcome": Outcome.RETRY, "attempt": 0, "url": "", "seconds": None}
    )
    line = text_log.getvalue()
    assert line.endswith(" WARNING delivery_finished outcome=retry attempt=0\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain/value?", "plain/value?"),
        ("two words", '"two words"'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\u2028", r'"\u2028"'),
        ("\x9b2J", r'"\u009b2J"'),
        ("\ud800", r'"\ud800"'),
        ("café", "café"),
        (204, "204"),
    ],
)
def test_a_field_value_never_breaks_its_line(text_log: io.StringIO, value: object, expected: str) -> None:
    """A field value with line breaks, control codes or surrogates is escaped and stays on one line."""
    log.event(log.INFO, "event", {"value": value})
    line = text_log.getvalue()
    assert line.endswith(f" event value={expected}\n")
    assert len(line.splitlines()) == 1


def test_an_unexpected_exception_is_logged_with_its_stack_trace(text_log: io.StringIO) -> None:
    """The stack trace of an unexpected exception is written below the line of its event."""
    try:
        raise RuntimeError("boom")  # noqa: TRY301 - an exception needs to be raised to have a trace
    except RuntimeError as error:
        log.event(log.ERROR, "delivery_finished", {"reason": "internal_error"}, error=error)
    first, *rest = text_log.getvalue().splitlines()
    assert first.endswith(" ERROR   delivery_finished reason=internal_error")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "RuntimeError: boom"


def test_configuring_twice_logs_each_event_once(text_log: io.StringIO) -> None:
    """When logging is configured twice, each event is still logged once."""
    with redirect_stdout(text_log):
        log.configure(on_cloud_run=False)
    log.event(log.INFO, "event", {})
    assert len(text_log.getvalue().splitlines()) == 1


def test_the_trace_is_a_field_of_a_text_line(text_log: io.StringIO) -> None:
    """A text line ends with the trace id of its event."""
    log.event(log.INFO, "event", {"status": 204}, trace=TRACE)
    assert text_log.getvalue().endswith(f" event status=204 trace={TRACE.trace_id}\n")


@pytest.fixture
def cloud_log(root: logging.Logger) -> Iterator[io.StringIO]:
    """The output of a service on Cloud Run."""
    del root
    with redirect_stdout(io.StringIO()) as output:
        log.configure(on_cloud_run=True, project="my-project")
        yield output


def test_on_cloud_run_a_line_is_a_json_object(cloud_log: io.StringIO) -> None:
    """On Cloud Run an event is one JSON object with severity, message and fields at its top level."""
    log.event(
        log.WARNING, "delivery_finished", {"outcome": Outcome.RETRY, "attempt": 2, "detail": 'a "b"\nc'}
    )
    [line] = cloud_log.getvalue().splitlines()
    assert json.loads(line) == CONSTANT_FIELDS | {
        "severity": "WARNING",
        "message": "delivery_finished",
        "outcome": "retry",
        "attempt": 2,
        "detail": 'a "b"\nc',
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_on_cloud_run_a_line_has_its_trace(cloud_log: io.StringIO, sampled: bool) -> None:
    """A line has its trace in the fields of https://cloud.google.com/logging/docs/structured-logging."""
    log.event(log.INFO, "event", {}, trace=TRACE._replace(sampled=sampled))
    entry = json.loads(cloud_log.getvalue())
    assert entry["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE.trace_id}"
    assert entry["logging.googleapis.com/spanId"] == TRACE.span_id
    assert entry["logging.googleapis.com/trace_sampled"] is sampled


def test_on_cloud_run_a_trace_without_a_span_has_an_empty_span_id(cloud_log: io.StringIO) -> None:
    """An event whose trace has no span, as X-Cloud-Trace-Context allows, has an empty span id."""
    log.event(log.INFO, "event", {}, trace=TRACE._replace(span_id=""))
    assert json.loads(cloud_log.getvalue())["logging.googleapis.com/spanId"] == ""


def test_on_cloud_run_a_stack_trace_is_part_of_its_line(cloud_log: io.StringIO) -> None:
    """A stack trace, of which only the end is kept, is a part of its event's JSON line."""
    try:
        raise RuntimeError("boom" * 10_000)  # noqa: TRY301 - an exception needs to be raised to have a trace
    except RuntimeError as error:
        log.event(log.ERROR, "delivery_finished", {"job_id": "1"}, error=error)
    [line] = cloud_log.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["message"].startswith("delivery_finished\n")
    assert entry["message"].endswith("boomboom")
    assert (entry["severity"], entry["job_id"]) == ("ERROR", "1")
    assert len(line) < 10_000


texts = st.text(max_size=3000) | st.text("%é字😀\n\ud800", max_size=3000) | st.just("x" * 3000)


@given(
    fields=st.fixed_dictionaries(dict.fromkeys(("url", "detail", "message_id", "run_id", "job_id"), texts)),
    short=st.fixed_dictionaries({name: st.text(max_size=5) for name in ("outcome", "reason", "crawl")}),
)
def test_every_line_is_shorter_than_1_kb(fields: dict[str, str], short: dict[str, str]) -> None:
    """An event with long texts is one line of less than 1,000 bytes that still has every field."""
    measures = {
        "status": 503,
        "attempt": 100,
        "http_status": 404,
        "seconds": 599.999,
    }
    handlers = logging.getLogger().handlers[:]
    try:
        for on_cloud_run in (True, False):
            with redirect_stdout(io.StringIO()) as output:
                log.configure(on_cloud_run=on_cloud_run, project="a-project-of-thirty-characters")
                log.event(log.WARNING, "delivery_finished", {**fields, **short, **measures}, trace=TRACE)
            [line, rest] = output.getvalue().split("\n")
            assert rest == ""
            assert len(line.encode()) < 1000
    finally:
        logging.getLogger().handlers[:] = handlers
    shortened = log.shorten({**fields, **short, **measures})
    assert shortened.keys() == fields.keys() | short.keys() | measures.keys()
    assert {key: shortened[key] for key in (*short, *measures)} == {**short, **measures}
    for key, value in fields.items():
        shortened_value = str(shortened[key])
        assert shortened_value == value or (
            shortened_value.endswith("…") and value.startswith(shortened_value[:-1])
        )


def test_only_the_longest_text_is_shortened() -> None:
    """Fields that fit are not shortened; if they do not fit, only the longest text is shortened."""
    fields: dict[str, object] = {"job_id": "0" * 32, "run_id": "r" * 128, "url": "https://shop.example/1"}
    assert log.shorten(fields) == fields
    shortened = log.shorten(fields | {"detail": "d" * 1000})
    assert shortened | {"detail": ""} == fields | {"detail": ""}
    assert len(str(shortened["detail"])) > 300


def log_hostile_texts() -> None:
    """Log fields, messages and stack traces with passwords and control characters."""
    url = "http://bob:secret@h.example/"
    log.event(log.INFO, "event", {"detail": f"{'x' * 400} {url} {'x' * 400}", "url": url})
    log.event(
        log.INFO, "event", {"detail": f"{'x' * 20} http://{'secret' * 100}@h.example/", "n": "\x7f\u202e"}
    )
    logging.getLogger("another.library").warning("failed: %s \x1b[2J\u202e", url)
    try:
        raise RuntimeError(f"{url} \x1b[2J\u202e\x7f")  # noqa: TRY301 - it needs a trace
    except RuntimeError as error:
        log.event(log.ERROR, "event", {}, error=error)


def test_no_line_has_a_password_or_a_control_character(text_log: io.StringIO) -> None:
    """Fields, messages of other libraries and stack traces are written without passwords and controls."""
    log_hostile_texts()
    text = text_log.getvalue()
    assert "***@h.example/" in text
    assert "secret" not in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert "failed: http://***@h.example/ \\u001b[2J\\u202e" in text


def test_no_line_on_cloud_run_has_a_password_or_a_control_character(cloud_log: io.StringIO) -> None:
    """The lines on Cloud Run are JSON in ASCII, without passwords."""
    log_hostile_texts()
    lines = cloud_log.getvalue().splitlines()
    assert [json.loads(line)["severity"] for line in lines] == ["INFO", "INFO", "WARNING", "ERROR"]
    assert all(line.isascii() and line.isprintable() and "secret" not in line for line in lines)
