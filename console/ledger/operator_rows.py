"""Queries the acts of operators: who has done what, and when."""

from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

#: The newest acts; acts of one command have one id. Parameters: the run id or NULL, twice, and the maximum
#: number of rows.
ACTS_QUERY: Final = """
    SELECT act, coalesce(max(run_id), ''), coalesce(max(host), ''), coalesce(max(operator), ''),
           min(acted_at), coalesce(max(selection), ''), coalesce(max(jobs), count(DISTINCT job_id)),
           coalesce(max(detail), '')
    FROM `${ledger}.operator_log` WHERE ? IS NULL OR run_id = ?
    GROUP BY act_id, act ORDER BY 5 DESC LIMIT ?"""


class OperatorActRow(NamedTuple):
    """An act of an operator.

    Attributes:
        act: what was done, as in `contract.operator_act.Act`.
        run_id: the run; `""` if it concerns no single run.
        host: the host; `""` if it concerns no single host.
        operator: who did it.
        acted_at: when, UTC, as `2026-11-22T06:00:03.120000Z`.
        selection: the filter that chose the jobs; `""` if there was none.
        jobs: number of jobs; 0 if it is not known.
        detail: a sentence, or what is needed to undo the act.
    """

    act: str
    run_id: str
    host: str
    operator: str
    acted_at: str
    selection: str
    jobs: int
    detail: str


def operator_acts(ledger: Ledger, run_id: str | None = None, count: int = 50) -> list[OperatorActRow]:
    """Return the newest acts on a run, or on all runs, the newest first."""
    return [OperatorActRow(*row) for row in ledger.rows(ACTS_QUERY, run_id, run_id, count)]
