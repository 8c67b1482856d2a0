"""Logs: one line an event, that people, terminals and Cloud Logging read alike."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from contract.outcome import Outcome
from service import log


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
        log.WARNING, "delivery ended", {"outcome": Outcome.RETRY, "attempt": 0, "url": "", "seconds": None}
    )
    line = written.getvalue()
    assert line.endswith(" WARNING delivery ended outcome=retry attempt=0\n")


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
        log.event(log.ERROR, "delivery ended", {"reason": "bug"}, error=bug)
    first, *rest = written.getvalue().splitlines()
    assert first.endswith(" ERROR   delivery ended reason=bug")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "RuntimeError: boom"


def test_configuring_again_writes_no_line_twice(written: io.StringIO) -> None:
    """However often a process configures its logs, an event is told once."""
    with redirect_stdout(written):
        log.configure(on_cloud_run=False)
    log.event(log.INFO, "told", {})
    assert len(written.getvalue().splitlines()) == 1


@pytest.fixture
def cloud(root: logging.Logger) -> Iterator[io.StringIO]:
    """What is written by a service on Cloud Run."""
    del root
    with redirect_stdout(io.StringIO()) as out:
        log.configure(on_cloud_run=True)
        yield out


def events(cloud: io.StringIO) -> list[dict[str, object]]:
    """Return what Cloud Logging would read, without the library's note about itself."""
    read = [json.loads(line) for line in cloud.getvalue().splitlines()]
    return [entry for entry in read if "logging.googleapis.com/diagnostic" not in entry]


def test_on_cloud_run_a_line_is_a_json_object(cloud: io.StringIO) -> None:
    """Cloud Logging takes the severity and every field from the top level of one JSON line."""
    log.event(log.WARNING, "delivery ended", {"outcome": Outcome.RETRY, "attempt": 2, "detail": 'a "b"\nc'})
    [entry] = events(cloud)
    assert entry["severity"] == "WARNING"
    assert entry["message"] == "delivery ended"
    assert (entry["outcome"], entry["attempt"], entry["detail"]) == ("retry", 2, 'a "b"\nc')


def test_on_cloud_run_a_trace_stays_in_its_line(cloud: io.StringIO) -> None:
    """A stack trace over many lines would become many entries, none with the job's identifiers."""
    try:
        raise RuntimeError("boom")  # noqa: TRY301 - an exception needs to be raised to have a trace
    except RuntimeError as bug:
        log.event(log.ERROR, "delivery ended", {"job_id": "1"}, error=bug)
    [entry] = events(cloud)
    assert "RuntimeError: boom" in str(entry["message"])
    assert (entry["severity"], entry["job_id"]) == ("ERROR", "1")
