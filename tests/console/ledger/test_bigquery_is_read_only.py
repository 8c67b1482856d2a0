"""Tests that the console only reads a ledger in BigQuery, and keeps no copy on the operator's machine."""

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.cloud import bigquery

from console.ledger.ledger import Ledger
from console.web.app import create_app
from console.web.options import ConsoleOptions
from tests.console.cloud.cloud_commands import SqliteBigQuery
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

#: Words of statements that change something in BigQuery.
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER|TRUNCATE|EXPORT|CALL|BEGIN)\b")
#: The commands that read a ledger. `{folder}` stands for a directory for their output.
COMMANDS = (
    "runs",
    "status run-1",
    "status run-1 --json",
    "wait run-1 --timeout 0",
    "job https://shop.example/a",
    "results run-1 --format jsonl",
    "report run-1 --output {folder}/report.html",
    "bill run-1",
    "reasons",
    "acts",
    "dead list",
    "dead show https://shop.example/b",
    "dead export --output {folder}/dead.jsonl",
)
SCREENS = ("/", "/runs", "/runs/run-1", "/jobs?run=run-1&text=shop", "/dead-letters", "/items?run=run-1")


class ReadOnlyBigQuery:
    """A client that only runs queries; anything else of a client is an error.

    Attributes:
        statements: the queries that it got.
    """

    statements: ClassVar[list[str]] = []

    def __init__(self, **_: object) -> None:
        self._ledger = SqliteBigQuery()

    def query(self, sql: str, job_config: bigquery.QueryJobConfig) -> SqliteBigQuery:
        """Run a query on the ledger in SQLite."""
        assert job_config.destination is None
        self.statements.append(sql)
        return self._ledger.query(sql, job_config)


@pytest.fixture
def machine(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory of an operator whose LEDGER is in BigQuery, and has three jobs."""
    record(ledger, [job_row(job, 0) for job in "abc"])
    record(ledger, [outcome_row("a", 1, items=[{"title": "A"}]), outcome_row("b", 1, reason="http_404")])
    record(ledger, [dead_letter_row("b", 2)])
    folder: Path = tmp_path_factory.mktemp("machine")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEDGER", "bigquery://scrapeq-local/scrapeq")
    monkeypatch.setenv("LEDGER_DATA", str(ledger.data))
    monkeypatch.setattr(bigquery, "Client", ReadOnlyBigQuery)
    monkeypatch.setattr(ReadOnlyBigQuery, "statements", [])
    return folder


def writes(sql: str) -> bool:
    """Return whether a statement has a word that changes something, outside of its texts."""
    return bool(WRITES.search(re.sub(r"'[^']*'", "", sql).upper()))


def check_nothing_was_written(machine: Path) -> None:
    """Check that only queries were run, and that the working directory is empty."""
    assert ReadOnlyBigQuery.statements
    assert [sql for sql in ReadOnlyBigQuery.statements if writes(sql)] == []
    assert {sql.split()[0] for sql in ReadOnlyBigQuery.statements} == {"SELECT"}
    assert list(machine.iterdir()) == []


def test_commands_change_nothing_in_bigquery_and_keep_no_summary(
    machine: Path, scrapeq: Scrapeq, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No command that reads the ledger writes to BigQuery, or makes a file that it was not asked for."""
    output = tmp_path_factory.mktemp("output")
    for command in COMMANDS:
        result = scrapeq(*command.format(folder=output).split())
        assert result.exit_code in {0, 124}, (command, result.output)
    check_nothing_was_written(machine)


def test_page_changes_nothing_in_bigquery_and_keeps_no_summary(machine: Path) -> None:
    """No screen of the operator's page writes to BigQuery, or makes a file."""
    client: Any = create_app(ConsoleOptions(Path("none"))).test_client()
    for screen in SCREENS:
        assert client.get(screen).status_code == 200, screen
    check_nothing_was_written(machine)


@pytest.mark.parametrize("word", ["INSERT INTO x", "SELECT 1; DROP TABLE x", "create table x"])
def test_statement_that_writes_is_found(word: str) -> None:
    """The search for statements that write finds them."""
    assert writes(word)
