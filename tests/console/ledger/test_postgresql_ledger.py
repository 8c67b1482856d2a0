"""Tests that a ledger in PostgreSQL answers every query of the console as one in SQLite does."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from console.errors import ConsoleError, LedgerError
from console.ledger import (
    act_rows,
    control_rows,
    day_use,
    dead_letter_rows,
    field_names,
    field_rows,
    host_rows,
    job_page,
    job_rows,
    limit_rows,
    run_overview,
    run_rows,
    timeline_rows,
    use_rows,
)
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import open_ledger, open_postgresql
from console.ledger.sqlite_views import table, views
from contract.crawl import Limits
from contract.dispatch_report import DispatchCounts, DispatchReport, ListedUrl
from contract.operator_act import Act
from localpubsub.exports.bigquery_tables import BigQueryTables
from relay.ledger.postgresql_tables import PostgresqlTables
from tests.console.ledger.console_queries import CONSOLE_QUERIES
from tests.console.ledger.job_histories import ROWS
from tests.console.ledger.rows import (
    START,
    Row,
    act_row,
    database_with,
    dead_letter_row,
    end_row,
    job_row,
    outcome_row,
    shard_row,
)
from tests.console.ledger.written_rows import write_rows
from tests.servers.postgresql import PostgresqlServer

NOW = START + timedelta(seconds=40)
RUNS = ("run-1", "run-2", "run-3")
ITEM = {"title": "Wörter", "price": 9.5, "tags": ["a", {"b": 1}], "note": None, "more text": "", "ok": True}
REPORT = DispatchReport(
    counts=DispatchCounts(found=3, published=2, rejected=1), rejected=[ListedUrl(url="x", why="bad_url")]
)
#: What each view has to read: failures of several hosts, listings, items, warnings, dispatches and acts, and
#: messages that are no jobs.
FURTHER_ROWS = [
    *(job_row(name, run="run-2", request="r") for name in ("Zebra", "apple", "Äpfel", "first")),
    outcome_row("Zebra", 3, run="run-2", items=[ITEM, {"title": "x"}], detail="price: 3 values; h1: 2"),
    outcome_row("apple", 4, run="run-2", items=[ITEM], total_seconds=1.25, waited_seconds=0.5, worker="w-1"),
    outcome_row("Äpfel", 5, run="run-2", reason="http_403", body_bytes=100, http_status=403),
    outcome_row("Äpfel", 6, run="run-2", attempt=2, reason="http_5xx", detail="100% of 'all' \\ ?"),
    dead_letter_row("Äpfel", 7, run="run-2", published=0),
    outcome_row("first", 3, run="run-2", page=1, listing="first", next_url="https://shop.example/?page=2"),
    job_row("second", 4, run="run-2", listing="first", page=2),
    outcome_row("second", 5, run="run-2", page=2, listing="first", listing_end="last_page", items=[ITEM]),
    job_row("third", 5, run="run-3", listing="third"),
    dead_letter_row("third", 6, run="run-3", listing="third"),
    shard_row(2, 1, REPORT, run="run-2"),
    end_row(3, 5, REPORT, run="run-2", limits=Limits(usd=1.5, bytes=1000)),
    shard_row(4, 1, REPORT, run="run-3"),
    act_row(Act.CANCEL, 5, run="run-3", detail="{}"),
    act_row(Act.PAUSE, 6, host="shop.example"),
    act_row(Act.RESUME, 8, host="shop.example"),
]


def malformed_rows() -> Iterator[Row]:
    """Yield messages of programs that know nothing of jobs."""
    good = job_row("odd", 9, run="run-3")
    bodies = (
        b"\xff",
        b"",
        b"[1, 2]",
        b'"\\ud800"',
        b'{"note": "a\\u0000b", "version": "x"}',
        b'{"a": 1e400}',
    )
    for number, data in enumerate(bodies):
        yield Row(
            good.topic, good.subscription_name, f"odd-{number}", good.publish_time, good.attributes, data
        )
    dead = dead_letter_row("odd", 10, run="run-3")
    strange = {"CloudPubSubDeadLetterSourceDeliveryCount": "many", "page": "9" * 30, "reason": "a\0b"}
    yield Row(dead.topic, dead.subscription_name, "odd", dead.publish_time, strange, b"\xff")


@dataclass(frozen=True)
class ComparedLedger(Ledger):
    """A ledger in SQLite, which compares the result of each query with that of another ledger.

    Attributes:
        other: the other ledger.
        queries: the queries that were compared.
    """

    is_file: ClassVar[bool] = False  # the queries of the summary are not compared
    other: Ledger | None = None
    queries: set[str] = field(default_factory=set)

    def rows_with_text(self, run_id: str, text: str) -> list[int] | None:  # noqa: ARG002 - as in Ledger
        """Return None, as of a ledger without an index of the URLs."""
        return None

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query, which are those of the other ledger."""
        assert self.other is not None
        expected, found = super().rows(query, *values), self.other.rows(query, *values)
        if "ORDER BY" not in query.rpartition(")")[2]:
            expected, found = sorted(expected, key=repr), sorted(found, key=repr)
        assert [list(map(comparable, row)) for row in found] == [
            list(map(comparable, row)) for row in expected
        ], (query, values)
        self.queries.add(query)
        return expected

    def stream(self, query: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query."""
        yield from self.rows(query, *values)


def comparable(value: object) -> object:
    """Return a value such that equal ones of the two ledgers are equal.

    JSON may have other white space, and PostgreSQL cannot store U+0000.
    """
    if isinstance(value, str) and value[:1] in {"{", "["}:
        return json.loads(value.replace("\\u0000", "\ufffd"))
    return round(value, 9) if isinstance(value, float) and math.isfinite(value) else value


@pytest.fixture(scope="module")
def compared(postgresql_server: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> ComparedLedger:
    """Two ledgers with the same rows."""
    url = postgresql_server.new_database()
    other = open_postgresql(url)
    other.create()
    ledger = ComparedLedger(tmp_path_factory.mktemp("data"), other)
    ledger.create()
    rows = [*ROWS, *FURTHER_ROWS, *malformed_rows()]
    write_rows(BigQueryTables(ledger.path, create_tables=False, skip_repeated=True), rows)
    for _ in range(2):  # a message that is written again has one row
        write_rows(PostgresqlTables(url, "test"), rows)
    return ledger


@pytest.mark.parametrize("view", views())
def test_a_view_has_the_same_rows(compared: ComparedLedger, view: str) -> None:
    """Each view has the same columns and rows in PostgreSQL as in SQLite."""
    with database_with([]) as connection:
        description = connection.execute(f"SELECT * FROM {table(view)}").description  # noqa: S608 - a name
    columns = ", ".join(name for name, *_ in description)
    assert compared.rows(f"SELECT {columns} FROM `${{ledger}}.{view}`")  # noqa: S608 - names of views


def test_every_query_of_the_console_has_the_same_result(compared: ComparedLedger) -> None:
    """All functions that query the ledger find the same in PostgreSQL as in SQLite."""
    for run in RUNS:
        _query_run(compared, run)
    for run_id in (None, *RUNS):
        compared.accounting(run_id)
        compared.infrastructure_dead_jobs(run_id)
        run_overview.throughput(compared, START, 10, run_id, NOW)
        dead_letter_rows.dead_letters(compared, run_id)
        dead_letter_rows.outdated_dead_letters(compared, run_id)
        dead_letter_rows.dead_letter_messages(compared, run_id)
        act_rows.act_rows(compared, run_id, 100)
        for host in (None, "shop.example"):
            control_rows.spent_deliveries(compared, run_id, host)
    assert compared.runs()
    run_rows.run_summaries(compared, 100)
    run_overview.queue_summary(compared, NOW)
    day_use.day_use(compared, NOW)
    act_rows.act_records(compared, "0" * 32)
    control_rows.control_acts(compared)
    limit_rows.run_limits(compared)
    for selected in (
        job_page.JobFilter(),
        job_page.JobFilter("run-2", text="SHOP.example/A"),
        job_page.JobFilter("run-2", state="dead", reason="http_5xx", cause="page"),
        job_page.JobFilter(text="100%'_\\"),
    ):
        page = job_page.job_page(compared, selected, count=3)
        job_page.job_groups(compared, selected)
        if page:
            job_page.job_page(compared, selected, page[-1].cursor)
    constants = {query for query, _ in CONSOLE_QUERIES if "?, ?)" not in query and "LOWER(url)" not in query}
    assert constants - compared.queries == set()


def _query_run(ledger: ComparedLedger, run: str) -> None:
    for query in (
        ledger.dispatches,
        ledger.recorded_jobs,
        ledger.listings,
        ledger.failures,
        ledger.dead_jobs,
        ledger.retried_attempts,
    ):
        query(run)
    list(ledger.results(run))
    for job in ("Äpfel", "apple", "second", "dead", "https://shop.example/Zebra"):
        ledger.attempts(run, job)
        for found in [*job_rows.find_jobs(ledger, job), *job_rows.find_jobs(ledger, job, run)]:
            job_rows.job_events(ledger, found)
            job_rows.job_items(ledger, found)
            job_rows.job_message(ledger, found.run_id, found.job_id)
    job_rows.retrying_jobs(ledger, run, 100)
    field_rows.field_rows(ledger, run, field_rows.previous_run(ledger, run))
    field_names.check_fields(ledger, run, [])
    host_rows.host_rows(ledger, run, now=NOW)
    overview = run_overview.run_overview(ledger, run, NOW)
    timeline_rows.timeline(ledger, run, overview.started_at, overview.ended_at)
    use_rows.run_use(ledger, run)
    use_rows.body_bytes(ledger, run)
    dead_letter_rows.published_jobs(ledger, run)
    dead_letter_rows.published_job_ids(ledger, run)
    dead_letter_rows.succeeded_jobs(ledger, run)
    dead_letter_rows.published_pages(ledger, run)
    dead_letter_rows.job_ends(ledger, run, ["Äpfel", "dead"])


def test_a_snapshot_sees_one_moment(postgresql_server: PostgresqlServer) -> None:
    """Queries inside a snapshot do not see rows that are written meanwhile."""
    url = postgresql_server.new_database()
    ledger = open_postgresql(url)
    ledger.create()
    with ledger.snapshot():
        assert ledger.accounting().dispatched == 0
        write_rows(PostgresqlTables(url, "test"), [job_row("a")])
        with ledger.snapshot():
            assert ledger.accounting().dispatched == 0
    assert ledger.accounting().dispatched == 1


def test_an_earlier_version_is_brought_up_to_date(postgresql_server: PostgresqlServer) -> None:
    """Missing columns and views are made, and rows are kept; until then a query says what to do."""
    url = postgresql_server.new_database()
    ledger = open_postgresql(url)
    with pytest.raises(LedgerError, match="There is no ledger of this version in 127"):
        ledger.runs()
    ledger.create()
    write_rows(PostgresqlTables(url, "test"), [job_row("a", run="kept")])
    with psycopg.connect(url) as connection:
        connection.execute("DROP VIEW scrapeq.results CASCADE")
        connection.execute("ALTER TABLE scrapeq.operator_log DROP COLUMN selection CASCADE")
        connection.execute("COMMENT ON SCHEMA scrapeq IS '1'")
    ledger.create()
    ledger.create()
    assert ledger.runs() == ["kept"]
    assert not act_rows.act_rows(ledger, None, 1)


@pytest.mark.parametrize("url", ["postgresql://user:secret@host:port/", "postgres://user:secret@[::1/x"])
def test_an_invalid_url_is_not_repeated(url: str, tmp_path: Path) -> None:
    """The fault of LEDGER is a sentence without the password."""
    with pytest.raises(ConsoleError) as failure:
        open_ledger(tmp_path, {"LEDGER": url}).runs()
    assert "\n" not in str(failure.value)
    assert "secret" not in str(failure.value)


def test_an_unreachable_server_is_one_sentence(tmp_path: Path) -> None:
    """If nothing listens, the error names the server and no password."""
    with pytest.raises(LedgerError, match=r"The ledger in 127\.0\.0\.1:1/x cannot be") as failure:
        open_ledger(tmp_path, {"LEDGER": "postgresql://user:secret@127.0.0.1:1/x"}).runs()
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_times_are_texts_in_utc(compared: ComparedLedger) -> None:
    """A time has the form that it has in SQLite, whatever the zone of the server is."""
    assert compared.other is not None
    found = datetime.fromisoformat(run_overview.run_overview(compared.other, "run-2", NOW).started_at or "")
    assert found == START.astimezone(UTC)
