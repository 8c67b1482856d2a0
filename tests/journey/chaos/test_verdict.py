"""Tests that the verdict on a run reports each broken promise. One real run is judged with changed facts."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.ledger.sqlite_views import table
from tests.journey.chaos.campaign import drive
from tests.journey.chaos.faults import DISK_FULL, FAULTS
from tests.journey.chaos.logs import unexplained_lines
from tests.journey.chaos.system import System, running_system
from tests.journey.chaos.verdict import Row, judge

JOBS = 12


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Yield a system whose run is over, without any fault."""
    data = tmp_path_factory.mktemp("run") / "data"
    with running_system(data, FAULTS["none"].conditions, JOBS, seed=1) as system:
        drive(system, FAULTS["none"], 1, lambda _ended, _injected: None)
        system.drain()
        yield system


@pytest.fixture
def judged(system: System) -> Iterator[Callable[[], Row]]:
    """Yield a function that judges the run again; what a test changes is restored."""
    pages, acknowledged = dict(system.pages), system.acknowledged

    def again() -> Row:
        row = Row("none", 1)
        judge(system, row, may_be_silent=False)
        return row

    yield again
    system.pages, system.acknowledged = pages, acknowledged


def url_of(system: System, kind: str) -> str:
    """Return the URL of a page of a kind."""
    return next(url for url, each in system.pages.items() if each == kind)


def test_a_run_without_faults_holds(judged: Callable[[], Row]) -> None:
    """A run without faults keeps every promise, and spends no attempt on the infrastructure."""
    row = judged()
    assert row.findings == []
    assert row.holds
    assert (row.jobs, row.infrastructure, row.refetched) == (JOBS, 0, 0)


def test_a_job_without_an_end_is_lost(system: System, judged: Callable[[], Row]) -> None:
    """A job that has neither a result nor a dead letter counts as lost."""
    system.pages = {**system.pages, system.site.url("/page/999"): "page"}
    row = judged()
    assert row.lost == 1
    assert not row.holds


def test_a_job_that_nobody_dispatched_is_reported(system: System, judged: Callable[[], Row]) -> None:
    """A result of a page that is no page of the run is a finding."""
    unknown = url_of(system, "page")
    system.pages = {url: kind for url, kind in system.pages.items() if url != unknown}
    assert f"nobody has dispatched {unknown}" in judged().findings


def test_a_dead_letter_with_another_reason_is_reported(system: System, judged: Callable[[], Row]) -> None:
    """A dead letter whose reason is not the one that the page gives counts as one without a reason."""
    system.pages = {**system.pages, url_of(system, "missing"): "broken"}
    row = judged()
    assert row.unreasoned == 1
    assert not row.holds


def test_a_dead_letter_of_a_healthy_page_is_reported(system: System, judged: Callable[[], Row]) -> None:
    """A dead letter of a healthy page counts as such."""
    system.pages = {**system.pages, url_of(system, "empty"): "page"}
    row = judged()
    assert row.healthy_dead == 1
    assert not row.holds


def test_a_delivery_without_an_outcome_is_reported(system: System, judged: Callable[[], Row]) -> None:
    """A delivery that left neither an outcome nor a line in the log is a finding."""
    rows = f"FROM {table('outcomes')} WHERE rowid = (SELECT max(rowid) FROM {table('outcomes')})"  # noqa: S608 - a constant
    with closing(sqlite3.connect(system.stack.ledger.path)) as ledger:
        [kept] = ledger.execute(f"SELECT * {rows}").fetchall()
        ledger.execute(f"DELETE {rows}")
        ledger.commit()
        try:
            row = judged()
        finally:
            places = ", ".join("?" * len(kept))
            ledger.execute(f"INSERT INTO {table('outcomes')} VALUES ({places})", kept)  # noqa: S608 - a constant
            ledger.commit()
    assert any("neither an outcome nor a line in the log" in finding for finding in row.findings)
    assert row.infrastructure == 1


@pytest.mark.parametrize(
    ("service", "line"),
    [
        ("worker", "2026-11-30 23:02:17,340 WARNING something_new detail=x"),
        ("worker", "2026-11-30 23:02:17,340 ERROR   delivery_finished outcome=crashed reason=internal_error"),
        ("dispatcher", "2026-11-30 23:02:17,340 ERROR   dispatch_crashed"),
        ("pubsub", "2026-11-30 23:02:17 ERROR localpubsub.broker: it broke"),
        ("worker", "Traceback (most recent call last):"),
        ("worker", "[2026-11-30 23:02:35 +0000] [5916] [ERROR] Worker (pid:5916) was sent SIGKILL!"),
    ],
)
def test_an_unknown_error_in_a_log_is_reported(tmp_path: Path, service: str, line: str) -> None:
    """An error that neither the documentation nor the fault explains is reported, unless it is expected."""
    (tmp_path / f"{service}.log").write_text(f"{line}\n", encoding="utf-8")
    assert len(unexplained_lines(tmp_path, ())) == 1
    assert unexplained_lines(tmp_path, (r"something_new|internal_error|broke|crashed|Trace|SIGKILL",)) == []


@pytest.mark.parametrize("rest", ["", "2026-11-30 23:02:18 INFO", "localpubsub: gRPC on 127.0.0.1:1"])
def test_a_line_that_a_full_disk_has_cut_is_expected(tmp_path: Path, rest: str) -> None:
    """The line of an error may end anywhere if the disk is full; the next line follows at once."""
    line = f"2026-11-30 23:02:17 ERROR localpubsub.storage.journal localpubsub {rest}"
    (tmp_path / "pubsub.log").write_text(f"{line}\n", encoding="utf-8")
    assert len(unexplained_lines(tmp_path, ())) == 1
    assert unexplained_lines(tmp_path, (DISK_FULL,)) == []


def test_documented_events_are_no_finding(tmp_path: Path) -> None:
    """Warnings of the services whose events are documented are explained."""
    text = "2026-11-30 23:02:24,011 WARNING delivery_finished outcome=failed reason=http_404 status=204\n"
    (tmp_path / "worker.log").write_text(text, encoding="utf-8")
    assert unexplained_lines(tmp_path, ()) == []
