"""Queries one page of the jobs that a filter selects, in the order of their dispatch."""

import json
from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

MAX_COUNT: Final = 1000  #: maximum number of jobs on a page
BEGINNING: Final = "0001-01-01T00:00:00.000000Z"  #: a time before all jobs
COLUMNS: Final = """run_id, job_id, coalesce(url, ''), state, attempts, coalesce(cause, ''),
    coalesce(last_reason, ''), coalesce(last_detail, ''), coalesce(http_status, 0), coalesce(host, ''),
    coalesce(recipe, ''), recorded_at, attempted_at, coalesce(not_before, '')"""

STATES: Final = ("queued", "retrying", "succeeded", "dead", "cancelled", "dropped", "replaced")
#: The column of each field of a filter whose value is compared.
COLUMN_OF: Final = {
    "run_id": "run_id",
    "reason": "last_reason",
    "host": "host",
    "cause": "cause",
}


class JobFilter(NamedTuple):
    """Selects jobs; a field that is `""` selects all.

    Attributes:
        run_id: id of the run.
        state: a state of the view job_state.
        reason: reason of the job's last attempt.
        host: host of the page.
        cause: cause of a dead job: `page`, `message` or `infrastructure`.
        text: part of the page's URL, in upper or lower case; or a whole job id.
    """

    run_id: str = ""
    state: str = ""
    reason: str = ""
    host: str = ""
    cause: str = ""
    text: str = ""


class JobRow(NamedTuple):
    """A job; texts are `""` and numbers 0 if the ledger has no such value.

    Attributes:
        run_id: id of the run.
        job_id: id of the job.
        url: URL of the page.
        state: state of the job, as in the view job_state.
        attempts: number of attempts.
        cause: cause of its dead letter, if it is dead.
        reason: reason of the last attempt.
        detail: detail of the last attempt.
        http_status: HTTP status of the last attempt.
        host: host of the page.
        recipe: name of the recipe.
        recorded_at: when the job was dispatched, UTC; if unknown, the earliest time that is known.
        attempted_at: when the last attempt ended, UTC; None if there was none.
        not_before: earliest time of the next attempt that a worker has set.
    """

    run_id: str
    job_id: str
    url: str
    state: str
    attempts: int
    cause: str
    reason: str
    detail: str
    http_status: int
    host: str
    recipe: str
    recorded_at: str | None
    attempted_at: str | None
    not_before: str

    @property
    def cursor(self) -> "Cursor":
        """The argument `after` of `job_page` for the page that begins after this job."""
        return Cursor(self.recorded_at or BEGINNING, self.job_id)


class Cursor(NamedTuple):
    """The place of a job in the order of dispatch."""

    recorded_at: str
    job_id: str


class GroupRow(NamedTuple):
    """Number of jobs with the same host, cause and last reason; texts are `""` if there is no such value."""

    host: str
    cause: str
    reason: str
    jobs: int


def job_page(
    ledger: Ledger, selected: JobFilter, after: Cursor | None = None, count: int = 50
) -> list[JobRow]:
    """Return up to `count` selected jobs, in the order of dispatch.

    Args:
        ledger: the ledger.
        selected: selects the jobs.
        after: the `cursor` of the last job of the previous page; None for the first page. A page is found
            by its cursor, so jobs that are recorded meanwhile move no job to another page.
        count: maximum number of jobs; at most `MAX_COUNT`.
    """
    with ledger.snapshot():
        rows = _rows_with_text(ledger, selected)
        values = _values(selected, rows)
        if after is not None:
            values += [after.recorded_at, after.recorded_at, after.job_id]
        query = page_query(selected, after, is_narrowed=rows is not None)
        return [JobRow(*row) for row in ledger.rows(query, *values, min(count, MAX_COUNT))]


def job_groups(ledger: Ledger, selected: JobFilter, count: int = 100) -> list[GroupRow]:
    """Return up to `count` groups of the selected jobs by host, cause and reason, the largest first."""
    with ledger.snapshot():
        rows = _rows_with_text(ledger, selected)
        query = groups_query(selected, is_narrowed=rows is not None)
        return [GroupRow(*row) for row in ledger.rows(query, *_values(selected, rows), count)]


def page_query(selected: JobFilter, after: Cursor | None, *, is_narrowed: bool = False) -> str:
    """Return the query of `job_page`; it has only the conditions that are given, so indexes are used.

    If `is_narrowed`, which SQLite supports, the last parameter of the filter has the ids of rows as JSON.
    """
    conditions = _conditions(selected, is_narrowed=is_narrowed)
    if after is not None:
        conditions += ["recorded_at >= CAST(? AS TIMESTAMP)"]
        conditions += ["(recorded_at > CAST(? AS TIMESTAMP) OR job_id > ?)"]
    return f"""SELECT {COLUMNS} FROM `${{ledger}}.job_state` {_where(conditions)}
               ORDER BY recorded_at, job_id LIMIT ?"""  # noqa: S608 - the conditions are constants of this module


def groups_query(selected: JobFilter, *, is_narrowed: bool = False) -> str:
    """Return the query of `job_groups`; see `page_query`."""
    return f"""SELECT coalesce(host, ''), coalesce(cause, ''), coalesce(last_reason, ''), count(*)
               FROM `${{ledger}}.job_state` {_where(_conditions(selected, is_narrowed=is_narrowed))}
               GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ?"""  # noqa: S608 - the conditions are constants of this module


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _rows_with_text(ledger: Ledger, selected: JobFilter) -> list[int] | None:
    """Return the ids of the rows that may have the text of a filter; None if they are not known."""
    return ledger.rows_with_text(selected.run_id, selected.text) if selected.text else None


def _conditions(selected: JobFilter, *, is_narrowed: bool) -> list[str]:
    """Return the conditions of a filter; `_values` returns their parameters."""
    conditions = [f"{COLUMN_OF[field]} = ?" for field, _ in _equal(selected)]
    # A text that is no state selects nothing. A literal, since SQLite uses no partial index for a parameter.
    state = selected.state if selected.state in STATES else "-"
    conditions += [f"state = '{state}'"] * bool(selected.state)
    conditions += ["(STRPOS(LOWER(url), ?) > 0 OR job_id = ?)"] * bool(selected.text)
    return conditions + ["rowid IN (SELECT value FROM json_each(?))"] * is_narrowed


def _values(selected: JobFilter, rows: list[int] | None) -> list[str]:
    text = [selected.text.lower(), selected.text] if selected.text else []
    narrowed = [] if rows is None else [json.dumps(rows)]
    return [value for _, value in _equal(selected)] + text + narrowed


def _equal(selected: JobFilter) -> list[tuple[str, str]]:
    return [(field, value) for field, value in selected._asdict().items() if value and field in COLUMN_OF]
