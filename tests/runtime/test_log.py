"""Logs: one line an event, that people, terminals and Cloud Logging read alike."""

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

#: What google-cloud-logging writes in every line that belongs to no trace.
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
    """The root logger; afterwards it has its handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def written(root: logging.Logger) -> Iterator[io.StringIO]:
    """What is written by a service on a laptop."""
    del root
    with redirect_stdout(io.StringIO()) as out:
        log.configure(on_cloud_run=False)
        yield out


def test_an_event_is_one_readable_line(written: io.StringIO) -> None:
    """Time, level, what happened, and every field by its name; empty ones are left out."""
    log.event(
        log.WARNING, "delivery_finished", {"outcome": Outcome.RETRY, "attempt": 0, "url": "", "seconds": None}
    )
    line = written.getvalue()
    assert line.endswith(" WARNING delivery_finished outcome=retry attempt=0\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain/value?", "plain/value?"),
        ("two words", '"two words"'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\u2028", r'"\u2028"'),
        ("\x9b2J", r'"\x9b2J"'),
        ("\ud800", r'"\ud800"'),
        ("café", "café"),
        (204, "204"),
    ],
)
def test_a_value_never_breaks_its_line(written: io.StringIO, value: object, shown: str) -> None:
    """What a site or a stranger says cannot forge a line, steer a terminal, or lose the event."""
    log.event(log.INFO, "told", {"value": value})
    line = written.getvalue()
    assert line.endswith(f" told value={shown}\n")
    assert len(line.splitlines()) == 1


def test_an_unforeseen_exception_keeps_its_trace(written: io.StringIO) -> None:
    """The fields stand on the event's line, the stack trace below it."""
    try:
        raise RuntimeError("boom")  # noqa: TRY301 - an exception needs to be raised to have a trace
    except RuntimeError as bug:
        log.event(log.ERROR, "delivery_finished", {"reason": "internal_error"}, error=bug)
    first, *rest = written.getvalue().splitlines()
    assert first.endswith(" ERROR   delivery_finished reason=internal_error")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "RuntimeError: boom"


def test_configuring_again_writes_no_line_twice(written: io.StringIO) -> None:
    """However often a process configures its logs, an event is told once."""
    with redirect_stdout(written):
        log.configure(on_cloud_run=False)
    log.event(log.INFO, "told", {})
    assert len(written.getvalue().splitlines()) == 1


def test_a_trace_is_a_field_like_others_on_a_laptop(written: io.StringIO) -> None:
    """So that a line can be searched for by it."""
    log.event(log.INFO, "told", {"status": 204}, trace=TRACE)
    assert written.getvalue().endswith(f" told status=204 trace={TRACE.trace_id}\n")


@pytest.fixture
def cloud(root: logging.Logger) -> Iterator[io.StringIO]:
    """What is written by a service on Cloud Run."""
    del root
    with redirect_stdout(io.StringIO()) as out:
        log.configure(on_cloud_run=True, project="my-project")
        yield out


def test_on_cloud_run_a_line_is_a_json_object(cloud: io.StringIO) -> None:
    """Cloud Logging takes the severity and every field from the top level of one JSON line."""
    log.event(
        log.WARNING, "delivery_finished", {"outcome": Outcome.RETRY, "attempt": 2, "detail": 'a "b"\nc'}
    )
    [line] = cloud.getvalue().splitlines()
    assert json.loads(line) == CONSTANT_FIELDS | {
        "severity": "WARNING",
        "message": "delivery_finished",
        "outcome": "retry",
        "attempt": 2,
        "detail": 'a "b"\nc',
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_on_cloud_run_a_line_belongs_to_its_trace(cloud: io.StringIO, sampled: bool) -> None:
    """By the fields of https://cloud.google.com/logging/docs/structured-logging."""
    log.event(log.INFO, "told", {}, trace=TRACE._replace(sampled=sampled))
    entry = json.loads(cloud.getvalue())
    assert entry["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE.trace_id}"
    assert entry["logging.googleapis.com/spanId"] == TRACE.span_id
    assert entry["logging.googleapis.com/trace_sampled"] is sampled


def test_on_cloud_run_a_trace_without_a_span_names_none(cloud: io.StringIO) -> None:
    """X-Cloud-Trace-Context may leave it out."""
    log.event(log.INFO, "told", {}, trace=TRACE._replace(span_id=""))
    assert json.loads(cloud.getvalue())["logging.googleapis.com/spanId"] == ""


def test_on_cloud_run_a_stack_trace_stays_in_its_line(cloud: io.StringIO) -> None:
    """A stack trace over many lines would become many entries, none with the job's identifiers."""
    try:
        raise RuntimeError("boom" * 10_000)  # noqa: TRY301 - an exception needs to be raised to have a trace
    except RuntimeError as bug:
        log.event(log.ERROR, "delivery_finished", {"job_id": "1"}, error=bug)
    [line] = cloud.getvalue().splitlines()
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
def test_no_line_reaches_1_kb(fields: dict[str, str], short: dict[str, str]) -> None:
    """Log volume is paid for; whatever a site or a sender says, one line is told, with every field."""
    measures = {
        "status": 503,
        "attempt": 100,
        "http_status": 404,
        "seconds": 599.999,
    }
    handlers = logging.getLogger().handlers[:]
    try:
        for on_cloud_run in (True, False):
            with redirect_stdout(io.StringIO()) as out:
                log.configure(on_cloud_run=on_cloud_run, project="a-project-of-thirty-characters")
                log.event(log.WARNING, "delivery_finished", {**fields, **short, **measures}, trace=TRACE)
            [line, rest] = out.getvalue().split("\n")
            assert rest == ""
            assert len(line.encode()) < 1000
    finally:
        logging.getLogger().handlers[:] = handlers
    told = log.shorten({**fields, **short, **measures})
    assert told.keys() == fields.keys() | short.keys() | measures.keys()
    assert {key: told[key] for key in (*short, *measures)} == {**short, **measures}
    for key, value in fields.items():
        cut = str(told[key])
        assert cut == value or (cut.endswith("…") and value.startswith(cut[:-1]))


def test_what_fits_is_told_in_full() -> None:
    """And of what does not, the longest gives way: identifiers stay whole."""
    fields: dict[str, object] = {"job_id": "0" * 32, "run_id": "r" * 128, "url": "https://shop.example/1"}
    assert log.shorten(fields) == fields
    told = log.shorten(fields | {"detail": "d" * 1000})
    assert told | {"detail": ""} == fields | {"detail": ""}
    assert len(str(told["detail"])) > 300
