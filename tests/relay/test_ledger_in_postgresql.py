"""Tests that `scrapeq ledger` writes each message once into PostgreSQL, and that the console reads it."""

import json
from pathlib import Path

import psycopg
import pytest

from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC
from publishing.publisher import Message
from tests.console.command import Scrapeq, run_scrapeq
from tests.relay.ledger_messages import publish
from tests.relay.ledger_process import running_ledger
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.postgresql import PostgresqlServer
from tests.servers.waiting import wait_for, wait_until


@pytest.fixture(autouse=True)
def _queues(broker: RelayedBroker) -> None:
    broker.create()


@pytest.fixture
def url(postgresql_server: PostgresqlServer) -> str:
    """The URL of a new database."""
    return postgresql_server.new_database()


def jobs(url: str, table: str = "jobs") -> list[int]:
    """Return the job ids of a table as numbers, sorted; none if the table does not exist yet."""
    query = f"SELECT (attributes ->> 'job_id')::int FROM scrapeq.{table} ORDER BY 1"  # noqa: S608 - a name
    try:
        with psycopg.connect(url) as connection:
            return [job for (job,) in connection.execute(query.encode())]
    except psycopg.errors.UndefinedTable:
        return []


def test_the_console_reads_what_was_written(
    broker: RelayedBroker, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LEDGER=postgresql://…, the commands show the run as they do with a file."""
    scrapeq: Scrapeq = run_scrapeq
    with running_ledger(broker.url, tmp_path / "log", ledger_url=url) as writer:
        publish(broker, JOBS_TOPIC, 2)
        publish(broker, OUTCOMES_TOPIC, 1)
        publish(broker, DEAD_LETTER_TOPIC, 1, first=1)
        tables = ("jobs", "outcomes", "dead_letters")
        wait_until(lambda: sum(len(jobs(url, table)) for table in tables) == 4)
        broker.publisher(OUTCOMES_TOPIC).publish(Message(b"\xff", {"job_id": "7"}))
        wait_until(lambda: jobs(url, "rejected_messages") == [7])
        assert writer.stop()["written"] == {"dead_letters": 1, "jobs": 2, "outcomes": 1}
    monkeypatch.setenv("LEDGER", url)
    status = json.loads(scrapeq("status", "books-1", "--json", "--data", tmp_path).stdout)["accounting"]
    assert (status["dispatched"], status["succeeded"], status["dead"]) == (2, 1, 1)
    results = scrapeq("results", "books-1", "--format", "jsonl", "--data", tmp_path).stdout
    assert {json.loads(line)["job_id"] for line in results.splitlines()} == {"0"}
    dead = scrapeq("dead", "list", "--json", "--data", tmp_path)
    assert [json.loads(line)["job_id"] for line in dead.stdout.splitlines()] == ["1"]
    waited = scrapeq("wait", "books-1", "--timeout", "60", "--data", tmp_path)
    assert "dispatched=2 succeeded=1 dead=1 in_flight=0" in waited.stdout


def test_a_killed_writer_loses_and_repeats_nothing(broker: RelayedBroker, url: str, tmp_path: Path) -> None:
    """A writer is killed again and again while messages arrive: each has exactly one row at the end."""
    total = 1_500
    for part in range(3):
        publish(broker, JOBS_TOPIC, total // 3, first=part * total // 3)
        before = len(jobs(url))
        with running_ledger(broker.url, tmp_path / "log", "--batch", 50, ledger_url=url) as writer:
            wait_for(lambda: len(jobs(url)), before.__lt__, "it writes")
            writer.kill()
    with running_ledger(broker.url, tmp_path / "log", ledger_url=url) as writer:
        wait_until(lambda: len(jobs(url)) >= total, "everything is written")
        writer.stop()
    assert jobs(url) == list(range(total))


def test_a_killed_postgresql_costs_nothing(
    broker: RelayedBroker, postgresql_server: PostgresqlServer, url: str, tmp_path: Path
) -> None:
    """While PostgreSQL is down nothing is acknowledged, and the log has one line; then all is written."""
    with running_ledger(broker.url, tmp_path / "log", "--batch", 20, ledger_url=url) as writer:
        publish(broker, JOBS_TOPIC, 300)
        wait_until(lambda: bool(jobs(url)), "it writes")
        postgresql_server.kill()
        publish(broker, JOBS_TOPIC, 300, first=300)
        wait_until(lambda: "ledger_not_written" in writer.output(), "the failure is logged")
        postgresql_server.start()
        wait_until(lambda: len(jobs(url)) >= 600, "everything is written")
        assert writer.stop()["outages"] == 1
    assert writer.output().count("ledger_not_written") == 1
    assert jobs(url) == list(range(600))


def test_a_locked_table_is_an_outage_that_ends(broker: RelayedBroker, url: str, tmp_path: Path) -> None:
    """While another program locks a table, the log says so, and the writer can be stopped."""
    with (
        running_ledger(broker.url, tmp_path / "log", ledger_url=url) as writer,
        psycopg.connect(url) as other,
    ):
        other.execute("LOCK TABLE scrapeq.jobs IN ACCESS EXCLUSIVE MODE")
        publish(broker, JOBS_TOPIC, 1)
        wait_until(lambda: "ledger_not_written" in writer.output(), "the lock is logged")
        assert writer.stop()["written"] == {}
    with running_ledger(broker.url, tmp_path / "log", ledger_url=url):
        wait_until(lambda: jobs(url) == [0], "it is written later")


def test_a_database_that_refuses_is_one_sentence(broker: RelayedBroker, url: str, tmp_path: Path) -> None:
    """A database that does not exist is an error at the start, before anything is received."""
    result = run_scrapeq("ledger", "--broker", broker.url, "--ledger", f"{url}x", "--data", tmp_path)
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert result.stderr.count("\n") == 1
