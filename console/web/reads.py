"""Reads rows for the screens that the ledger's own modules do not have."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from console.ledger.ledger import Ledger

MAX_SAMPLED_PAGES = 5_000  #: number of pages whose items the fields' fill rates are computed from
JOBS_PER_PAGE = 50

JOBS_QUERY: Final = """
    SELECT run_id, job_id, coalesce(url, ''), state, attempts, coalesce(last_reason, ''),
           coalesce(last_detail, ''), coalesce(cause, ''), dispatched_at, attempted_at, dead_at
    FROM `${ledger}.job_state`
    WHERE run_id = ? AND (? = '' OR state = ?) AND (? = '' OR last_reason = ?)
        AND (? = '' OR instr(url, '://' || ? || '/') > 0)
        AND (? = '' OR instr(lower(url), ?) > 0 OR job_id = ?)
    ORDER BY coalesce(attempted_at, dispatched_at) DESC, job_id LIMIT ? OFFSET ?"""

THROUGHPUT_QUERY: Final = """
    SELECT substr(publish_time, 1, 16), count(CASE WHEN outcome = 'succeeded' THEN 1 END),
           count(CASE WHEN outcome IN ('retry', 'deferred') THEN 1 END),
           count(CASE WHEN outcome NOT IN ('succeeded', 'retry', 'deferred') THEN 1 END)
    FROM `${ledger}.outcomes` WHERE publish_time >= ? AND (? = '' OR run_id = ?) GROUP BY 1 ORDER BY 1"""

HOSTS_QUERY: Final = """
    SELECT coalesce(JSON_VALUE(attributes, '$.host'), ''), count(*),
           count(CASE WHEN outcome = 'succeeded' THEN 1 END),
           count(CASE WHEN http_status BETWEEN 400 AND 499 THEN 1 END),
           count(CASE WHEN http_status >= 500 THEN 1 END),
           avg(fetch_seconds), sum(body_bytes)
    FROM `${ledger}.outcomes` WHERE run_id = ? GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"""


class JobRow(NamedTuple):
    """A job in a list of jobs; `""` and None if there is no value."""

    run_id: str
    job_id: str
    url: str
    state: str
    attempts: int
    last_reason: str
    last_detail: str
    cause: str
    dispatched_at: str | None
    attempted_at: str | None
    dead_at: str | None


class JobFilter(NamedTuple):
    """Which jobs are listed; `""` selects all."""

    state: str = ""
    reason: str = ""
    host: str = ""
    text: str = ""


def job_page(ledger: Ledger, run_id: str, chosen: JobFilter, page: int) -> tuple[list[JobRow], bool]:
    """Return a page of the jobs of a run, from 1, and whether further pages follow."""
    state, reason, host, text = chosen
    values = (state, state, reason, reason, host, host, text, text.lower(), text)
    offset = (page - 1) * JOBS_PER_PAGE
    rows = ledger.rows(JOBS_QUERY, run_id, *values, JOBS_PER_PAGE + 1, offset)
    return [JobRow(*row) for row in rows[:JOBS_PER_PAGE]], len(rows) > JOBS_PER_PAGE


class Minute(NamedTuple):
    """The outcomes of one minute."""

    at: datetime
    succeeded: int
    retried: int
    failed: int


def throughput(ledger: Ledger, minutes: int, now: datetime, run_id: str = "") -> list[Minute]:
    """Return the outcomes of each of the last minutes, the oldest first, also of minutes without any."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)
    since = first.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {at: counts for at, *counts in ledger.rows(THROUGHPUT_QUERY, since, run_id, run_id)}
    times = [first + timedelta(minutes=each) for each in range(minutes)]
    return [Minute(at, *found.get(at.strftime("%Y-%m-%dT%H:%M"), (0, 0, 0))) for at in times]


class HostRow(NamedTuple):
    """The attempts of a run on one host."""

    host: str
    attempts: int
    succeeded: int
    client_errors: int
    server_errors: int
    mean_seconds: float | None
    body_bytes: int | None


def host_rows(ledger: Ledger, run_id: str, count: int = 20) -> list[HostRow]:
    """Return the hosts of a run with the most attempts."""
    return [HostRow(*row) for row in ledger.rows(HOSTS_QUERY, run_id, count)]


@dataclass
class FieldRow:
    """How often a field has a value.

    Attributes:
        name: name of the field.
        filled: number of items in which it has a value.
        total: number of items.
        sample: the first value that was found; None if none was.
        null_url: URL of the first page on which it has no value; `""` if there is none.
    """

    name: str
    filled: int = 0
    total: int = 0
    sample: Any = None
    null_url: str = ""


@dataclass
class FieldRows:
    """The fields of the sampled items of a run.

    Attributes:
        fields: a row for each field, in the order in which they appear first.
        pages: number of pages that were read.
        is_whole: whether these are all pages.
    """

    fields: dict[str, FieldRow] = field(default_factory=dict)
    pages: int = 0
    is_whole: bool = True


def field_rows(ledger: Ledger, run_id: str) -> FieldRows:
    """Return how often each field of a run has a value, from the first pages of the run."""
    found = FieldRows()
    for url, item in _items(ledger, run_id, found):
        for name, value in item.items():
            row = found.fields.setdefault(name, FieldRow(name))
            row.total += 1
            if value is None or value in ("", [], {}):
                row.null_url = row.null_url or url
            else:
                row.filled += 1
                row.sample = value if row.sample is None else row.sample
    return found


def _items(ledger: Ledger, run_id: str, found: FieldRows) -> Iterator[tuple[str, dict[str, Any]]]:
    for result in ledger.results(run_id):
        if found.pages == MAX_SAMPLED_PAGES:
            found.is_whole = False
            return
        found.pages += 1
        for item in result.items:
            yield result.url, item


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


MESSAGE_QUERY: Final = """
    SELECT data FROM `${ledger}.jobs`
    WHERE JSON_VALUE(attributes, '$.run_id') = ? AND JSON_VALUE(attributes, '$.job_id') = ?
    ORDER BY publish_time DESC LIMIT 1"""


def job_message(ledger: Ledger, run_id: str, job_id: str) -> dict[str, Any]:
    """Return the newest message of a job as JSON; an empty object if there is no readable one."""
    for (data,) in ledger.rows(MESSAGE_QUERY, run_id, job_id):
        with suppress(ValueError):
            document = json.loads(data if isinstance(data, bytes | str) else b"")
            return document if isinstance(document, dict) else {}
    return {}
