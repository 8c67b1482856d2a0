"""Writes what a run published into SQLite as BigQuery subscriptions do, and checks the real views."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from console.ledger.sqlite_views import create, schema, table
from contract.outcome import Cause
from localpubsub.exports.bigquery_column import timestamp_text
from simulation.ledger import JobHistory, Published
from simulation.world import World

_METADATA = ("message_id", "publish_time", "attributes")


@cache
def _connection() -> sqlite3.Connection:
    """Return the database of this process, with the ledger's tables and views."""
    connection = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.db")
        create(path)
        with closing(sqlite3.connect(path)) as created:
            created.backup(connection)
    return connection


def disagreements(world: World) -> Iterator[str]:
    """Yield where the views job_state and run_accounting differ from what happened to the jobs of a run."""
    connection = _connection()
    _write(connection, world)
    query = f"SELECT job_id, state, cause FROM {table('job_state')}"  # noqa: S608 - our view
    states = connection.execute(query).fetchall()
    for job_id, state, cause in states:
        yield from _wrong_state(world, world.ledger.jobs[job_id], state, cause)
    if len(states) != len(world.ledger.jobs):
        yield f"job_state has {len(states)} of {len(world.ledger.jobs)} jobs"
    counts = "run_id, dispatched, succeeded + dead + cancelled + dropped + replaced, in_flight, missing"
    accounting = table("run_accounting")
    query = f"SELECT {counts} FROM {accounting}"  # noqa: S608 - our view
    for run_id, dispatched, ended, in_flight, missing in connection.execute(query):
        if dispatched != ended or in_flight or missing:
            unfinished = f"{in_flight} in flight, {missing} missing"
            yield f"{run_id}: {dispatched} dispatched, {ended} ended, {unfinished}"
    connection.rollback()


def _wrong_state(world: World, job: JobHistory, state: str, cause: str | None) -> Iterator[str]:
    expected = "succeeded" if job.succeeded else "dead"
    if state != expected:
        yield f"{job.url} is {state} in job_state, and {expected} in fact"
    elif state == "dead" and cause != Cause.PAGE and not _was_mostly_waiting(world, job):
        yield f"{job.url} is dead because of {cause} in job_state, although no bound of Pub/Sub was reached"


def _was_mostly_waiting(world: World, job: JobHistory) -> bool:
    """Return whether Pub/Sub dead-lettered a job of whose deliveries less than half were failed requests.

    Only a page that can never be scraped may die so (`invariants.dead_without_fetch`).
    """
    return world.scenario.policy == "success" and 2 * job.page_failures < job.deliveries


def _write(connection: sqlite3.Connection, world: World) -> None:
    ledger = world.ledger
    for name, messages in {"jobs": ledger.job_messages, "dead_letters": ledger.dead_letter_messages}.items():
        connection.executemany(
            f"INSERT INTO {table(name)} (data, {', '.join(_METADATA)}) VALUES (?, ?, ?, ?)",  # noqa: S608 - ours
            ((each.message.data, *_metadata(each)) for each in messages),
        )
    columns = [column["name"] for column in schema("outcomes") if column["name"] not in _METADATA]
    columns.remove("subscription_name")
    connection.executemany(
        f"INSERT INTO {table('outcomes')} ({', '.join([*columns, *_METADATA])}) "  # noqa: S608 - ours
        f"VALUES ({', '.join('?' * (len(columns) + len(_METADATA)))})",
        ((*_values(each, columns), *_metadata(each)) for each in ledger.outcome_messages),
    )


def _metadata(published: Published) -> tuple[str, str, str]:
    time = timestamp_text(datetime.fromtimestamp(published.at, UTC))
    return published.message_id, time, json.dumps(published.message.attributes)


def _values(published: Published, columns: list[str]) -> list[object]:
    document = json.loads(published.message.data)
    return [document.get(name) for name in columns]
