"""Queries a row for each run: the state of its dispatch, and the numbers of its jobs by state."""

from typing import Final, NamedTuple

from console.ledger.ledger import Accounting, Ledger

#: The newest runs. Parameter: the maximum number of rows. A run has no row in run_accounting before the
#: ledger has its first job, and none in run_dispatches if its dispatcher records no dispatches.
RUNS_QUERY: Final = """
    SELECT run_id, max(dispatch), coalesce(max(dispatched), 0), coalesce(max(succeeded), 0),
           coalesce(max(dead), 0), coalesce(max(in_flight), 0), coalesce(max(retrying), 0),
           coalesce(max(missing), 0), coalesce(max(cancelled), 0), coalesce(max(dropped), 0),
           coalesce(max(replaced), 0), min(started_at)
    FROM (SELECT run_id, '' AS dispatch, dispatched, succeeded, dead, in_flight, retrying, missing, cancelled,
              dropped, replaced, started_at
          FROM `${ledger}.run_accounting`
          UNION ALL
          SELECT run_id, state, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, started_at
          FROM `${ledger}.run_dispatches`) AS found
    WHERE run_id IS NOT NULL
    GROUP BY run_id ORDER BY 12 DESC, run_id DESC LIMIT ?"""


class RunSummary(NamedTuple):
    """A run.

    Attributes:
        run_id: id of the run.
        dispatch: `complete`, `in_progress`, or `""` if the dispatcher does not record its dispatches.
        dispatched: number of jobs.
        succeeded: number of jobs that succeeded.
        dead: number of jobs that are dead letters.
        in_flight: number of the other jobs.
        retrying: number of jobs in flight that have been attempted.
        missing: number of jobs that are in none of the other states, which is a fault.
        cancelled: number of jobs that were not requested, because the run was cancelled.
        dropped: number of jobs whose dead letters were removed without a replay.
        replaced: number of jobs that were replaced by jobs with another recipe.
        started_at: time of the first publish, UTC, as `2026-11-22T06:00:03.120000Z`.
    """

    run_id: str
    dispatch: str
    dispatched: int
    succeeded: int
    dead: int
    in_flight: int
    retrying: int
    missing: int
    cancelled: int
    dropped: int
    replaced: int
    started_at: str

    @property
    def adds_up(self) -> bool:
        """Whether the numbers are as `Accounting.adds_up` says."""
        counts = {name: count for name, count in self._asdict().items() if name in Accounting._fields}
        return Accounting(**counts).adds_up


def run_summaries(ledger: Ledger, count: int) -> list[RunSummary]:
    """Return the newest `count` runs, the newest first."""
    return [RunSummary(*row) for row in ledger.rows(RUNS_QUERY, count)]
