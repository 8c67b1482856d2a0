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
