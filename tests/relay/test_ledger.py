"""Tests that `scrapeq ledger` writes each message of its subscriptions once, and loses none."""

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import table
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, LEDGER_TABLES, OUTCOMES_TOPIC, REJECTED_TABLE
from publishing.publisher import Message
from tests.contract.documents import OUTCOME
from tests.relay.ledger_messages import publish
from tests.relay.ledger_process import running_ledger
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.waiting import wait_for, wait_until


@pytest.fixture(autouse=True)
def _queues(broker: RelayedBroker) -> None:
    broker.create()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The ledger that the command writes."""
    return Ledger(tmp_path / "data")


def rows(ledger: Ledger, name: str) -> list[tuple[str, str]]:
    """Return the job ids of a table, and the attributes, sorted."""
    if not ledger.path.exists():
        return []
    query = f"SELECT json_extract(attributes, '$.job_id'), attributes FROM {table(name)} ORDER BY 1"  # noqa: S608 - the name is a constant
    with closing(sqlite3.connect(ledger.path)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # the command has not made the table yet
            return []


def jobs(ledger: Ledger, name: str) -> list[str]:
    """Return the job ids of a table, sorted as numbers."""
    return sorted((job for job, _ in rows(ledger, name)), key=int)


def test_messages_of_all_topics_are_written(broker: RelayedBroker, ledger: Ledger, tmp_path: Path) -> None:
    """Each message of each topic has a row in the table of its topic, and the summary counts it."""
    with running_ledger(broker.url, tmp_path / "log", "--data", ledger.data) as writer:
        for topic in LEDGER_TABLES:
            publish(broker, topic, 3)
        names = LEDGER_TABLES.values()
        wait_until(lambda: [len(rows(ledger, name)) for name in names] == [3] * len(names))
        summary = writer.stop()
    assert summary["written"] == dict.fromkeys(sorted(LEDGER_TABLES.values()), 3)
    assert (summary["rejected"], summary["outages"]) == (0, 0)


def test_the_console_reads_the_ledger(broker: RelayedBroker, ledger: Ledger, tmp_path: Path) -> None:
    """A job with an outcome has succeeded, one with a dead letter is dead, and one with neither is open."""
    with running_ledger(broker.url, tmp_path / "log", "--data", ledger.data):
        publish(broker, JOBS_TOPIC, 3)
        publish(broker, OUTCOMES_TOPIC, 1)
        publish(broker, DEAD_LETTER_TOPIC, 1, first=1)
        wait_until(lambda: len(rows(ledger, "jobs")) == 3 and len(rows(ledger, "dead_letters")) == 1)
        wait_until(lambda: len(rows(ledger, "outcomes")) == 1)
    found = ledger.accounting("books-1")
    assert (found.dispatched, found.succeeded, found.dead, found.in_flight) == (3, 1, 1, 1)
    assert found.adds_up


def test_a_killed_writer_loses_and_repeats_nothing(
    broker: RelayedBroker, ledger: Ledger, tmp_path: Path
) -> None:
    """A writer is killed again and again while messages arrive: each has exactly one row at the end."""
    total, killed = 3_000, 0
    options = ("--data", ledger.data, "--batch", 50)
    for part in range(6):
        publish(broker, JOBS_TOPIC, total // 6, first=part * total // 6)
        before = len(rows(ledger, "jobs"))
        with running_ledger(broker.url, tmp_path / "log", *options) as writer:
            wait_for(lambda: len(rows(ledger, "jobs")), before.__lt__, "it writes")
            writer.kill()
            killed += 1
    with running_ledger(broker.url, tmp_path / "log", *options) as writer:
        wait_until(lambda: len(rows(ledger, "jobs")) >= total, "everything is written")
        writer.stop()
    assert killed == 6
    assert jobs(ledger, "jobs") == [str(number) for number in range(total)]


def test_two_writers_share_a_ledger(broker: RelayedBroker, ledger: Ledger, tmp_path: Path) -> None:
    """Two writers of the same file write each message once."""
    options = ("--data", ledger.data, "--batch", 10)
    with (
        running_ledger(broker.url, tmp_path / "log-1", *options),
        running_ledger(broker.url, tmp_path / "log-2", *options),
    ):
        publish(broker, JOBS_TOPIC, 500)
        wait_until(lambda: len(rows(ledger, "jobs")) >= 500)
    assert jobs(ledger, "jobs") == [str(number) for number in range(500)]


def test_nothing_is_acknowledged_while_the_ledger_cannot_be_written(
    broker: RelayedBroker, ledger: Ledger, tmp_path: Path
) -> None:
    """A locked ledger costs one line of the log. The messages are written when the lock ends."""
    ledger.create()
    with running_ledger(broker.url, tmp_path / "log", "--data", ledger.data) as writer:
        with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            publish(broker, JOBS_TOPIC, 20)
            publish(broker, OUTCOMES_TOPIC, 20)
            wait_until(lambda: "ledger_not_written" in writer.output(), "the failure is logged")
            assert rows(ledger, "jobs") == []
            other.execute("ROLLBACK")
        wait_until(lambda: len(rows(ledger, "jobs")) == 20 and len(rows(ledger, "outcomes")) == 20)
        assert writer.stop()["outages"] == 1
    assert writer.output().count("ledger_not_written") == 1


def test_a_stop_during_an_outage_returns_the_messages(
    broker: RelayedBroker, ledger: Ledger, tmp_path: Path
) -> None:
    """If the ledger cannot be written when the writer stops, its successor receives the messages."""
    ledger.create()
    with (
        running_ledger(broker.url, tmp_path / "log", "--data", ledger.data) as writer,
        closing(sqlite3.connect(ledger.path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        publish(broker, JOBS_TOPIC, 5)
        wait_until(lambda: "ledger_not_written" in writer.output(), "the failure is logged")
        assert writer.stop(signal.SIGINT)["written"] == {}
        other.execute("ROLLBACK")
    with running_ledger(broker.url, tmp_path / "log", "--data", ledger.data):
        wait_until(lambda: len(rows(ledger, "jobs")) == 5)


def test_a_message_that_no_table_accepts_is_kept_with_the_reason(
    broker: RelayedBroker, ledger: Ledger, tmp_path: Path
) -> None:
    """An outcome that is no outcome is stored as bytes, and does not hold up the others."""
    with running_ledger(broker.url, tmp_path / "log", "--data", ledger.data) as writer:
        for data in (b"\x00\xff no JSON", json.dumps({**OUTCOME, "attempt": "many"}).encode()):
            broker.publisher(OUTCOMES_TOPIC).publish(Message(data, {"run_id": "r", "job_id": "1"}))
        publish(broker, OUTCOMES_TOPIC, 2)
        wait_until(lambda: len(rows(ledger, REJECTED_TABLE)) == 2 and len(rows(ledger, "outcomes")) == 2)
        assert writer.stop()["rejected"] == 2
    reasons = sorted(json.loads(found)["rejected_because"] for _, found in rows(ledger, REJECTED_TABLE))
    assert "The data of the message is not JSON" in reasons[0]
    assert "The field attempt does not fit its column" in reasons[1]
