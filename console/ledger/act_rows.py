"""Queries the operator log: who has done what, when, to which jobs."""

from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

#: The acts, the newest row of each last; without the rows about single jobs.
#: Parameters: the run id or NULL, twice.
ACTS_QUERY: Final = """
    SELECT DISTINCT
        act_id, act, acted_at, coalesce(operator, ''), coalesce(run_id, ''), coalesce(host, ''),
        coalesce(selection, ''), jobs, coalesce(detail, ''), publish_time, message_id
    FROM `${ledger}.operator_log`
    WHERE dead_letter IS NULL AND (? IS NULL OR run_id = ?)
    ORDER BY publish_time, message_id"""

#: All rows of a command, the oldest first. Parameter: the id of the command.
RECORDS_QUERY: Final = """
    SELECT DISTINCT publish_time, message_id, act, coalesce(operator, ''), coalesce(run_id, ''),
        coalesce(job_id, ''), coalesce(host, ''), coalesce(selection, ''), jobs, coalesce(detail, ''),
        dead_letter IS NOT NULL
    FROM `${ledger}.operator_log` WHERE act_id = ? ORDER BY publish_time, message_id"""


class ActRow(NamedTuple):
    """A command of an operator.

    Attributes:
        act_id: id of the command.
        act: what was done: cancel, pause, resume, replay, replace or drop.
        acted_at: when it was given, UTC, as `2026-11-22T06:00:03.120000Z`.
        operator: who gave it.
        run_id: the run; `""` for several.
        host: the host that is paused or resumed; `""` otherwise.
        selection: the filter that chose the jobs or dead letters; `""` for all.
        jobs: number of jobs or dead letters; None if it is not known, as of a command that was killed.
        detail: what else was recorded.
    """

    act_id: str
    act: str
    acted_at: str
    operator: str
    run_id: str
    host: str
    selection: str
    jobs: int | None
    detail: str


def act_rows(ledger: Ledger, run_id: str | None, limit: int) -> list[ActRow]:
    """Return the newest acts, of one run or of all, the newest first.

    A command records an act before and after its work; they are one row, with what the last one says.
    """
    acts = dict[str, ActRow]()
    for act_id, act, acted_at, *values in ledger.rows(ACTS_QUERY, run_id, run_id):
        began_at = acts[act_id].acted_at if act_id in acts else acted_at
        acts[act_id] = ActRow(act_id, act, began_at, *values[:6])
    return list(acts.values())[: -limit - 1 : -1]


class ActRecord(NamedTuple):
    """A record of a command: before its work, after a part of it, or about one dead letter.

    Attributes:
        at: when it was recorded, UTC, as `2026-11-22T06:00:03.120000Z`.
        message_id: id of its message.
        act: as in `ActRow`; so are `operator`, `run_id`, `host`, `selection`, `jobs` and `detail`.
        operator: see `act`.
        run_id: see `act`.
        job_id: the job that was dropped; `""` if the record is not about one dead letter.
        host: see `act`.
        selection: see `act`.
        jobs: see `act`.
        detail: see `act`.
        is_of_dead_letter: whether the record is about one dead letter.
    """

    at: str
    message_id: str
    act: str
    operator: str
    run_id: str
    job_id: str
    host: str
    selection: str
    jobs: int | None
    detail: str
    is_of_dead_letter: bool


def act_records(ledger: Ledger, act_id: str) -> list[ActRecord]:
    """Return all records of a command, the oldest first; none if the ledger does not have it."""
    return [ActRecord(*row) for row in ledger.rows(RECORDS_QUERY, act_id)]
