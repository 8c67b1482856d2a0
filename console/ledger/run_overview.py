"""Queries what the state of a run or of the whole queue is, and how fast attempts end."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from console.ledger.dispatch_rows import Dispatch, whole
from console.ledger.host_rows import timestamp
from console.ledger.ledger import Accounting, Failure, Ledger

RATE_SECONDS: Final = 60  #: number of seconds over which the present rate is measured
#: Parameter: the run id; so of the next query.
TIMES_QUERY: Final = """
    SELECT min(started_at), max(attempted_at) FROM `${ledger}.run_accounting` WHERE run_id = ?"""
UNRECORDED_QUERY: Final = """
    SELECT coalesce(sum(attempts - outcomes), 0) FROM `${ledger}.job_state`
    WHERE run_id = ? AND attempts > outcomes"""
#: Parameters: the run id and a time.
RECENT_QUERY: Final = """
    SELECT count(DISTINCT job_id) FROM `${ledger}.attempts`
    WHERE run_id = ? AND ended_at >= CAST(? AS TIMESTAMP) AND outcome = 'succeeded'"""
#: Parameters: seconds since 1970, and twice the run id or NULL.
THROUGHPUT_QUERY: Final = """
    SELECT second, outcome, sum(attempts) FROM `${ledger}.attempt_seconds`
    WHERE second >= ? AND (? IS NULL OR run_id = ?) GROUP BY second, outcome"""
OLDEST_QUERY: Final = """
    SELECT min(published_at) FROM `${ledger}.job_times` WHERE state IN ('queued', 'retrying')"""
#: Parameters: a time, and the maximum number of rows.
BLOCKED_QUERY: Final = """
    SELECT host, max(not_before), count(*) FROM `${ledger}.job_state`
    WHERE state = 'retrying' AND not_before > ? GROUP BY host ORDER BY 3 DESC, 1 LIMIT ?"""


class RunOverview(NamedTuple):
    """The state of a run.

    Attributes:
        run_id: id of the run.
        accounting: numbers of its jobs by state.
        dispatch: sums over its dispatches; None if the dispatcher does not record its dispatches.
        failures: reasons of the attempts that did not succeed, the most frequent first.
        started_at: when its first job was dispatched, UTC; None if it has no job yet.
        ended_at: when its last attempt ended, UTC; None if there was none.
        per_minute: number of jobs that succeeded in the last 60 s.
        mean_per_minute: jobs that have ended, for each minute from the start to the last attempt.
        seconds_left: estimated number of seconds until the last job in flight has ended, at the present rate,
            or else at the mean; None if there is no rate, and 0 if no job is in flight.
        unrecorded_attempts: at least so many attempts have left no outcome: deliveries that Pub/Sub has
            counted beyond the outcomes that are recorded, for example because a worker was killed or no
            worker was free.
    """

    run_id: str
    accounting: Accounting
    dispatch: Dispatch | None
    failures: list[Failure]
    started_at: str | None
    ended_at: str | None
    per_minute: int
    mean_per_minute: float
    seconds_left: float | None
    unrecorded_attempts: int


class BlockedHost(NamedTuple):
    """A host whose jobs a worker has deferred: `jobs` jobs until `until`, UTC, at the latest."""

    host: str
    until: str
    jobs: int


class QueueSummary(NamedTuple):
    """The state of the queue, over all runs.

    Attributes:
        accounting: numbers of jobs by state.
        oldest_at: when the oldest message of a job in flight was published, UTC; None if there is none.
        blocked: the hosts whose jobs are deferred, those with the most jobs first, at most 100.
    """

    accounting: Accounting
    oldest_at: str | None
    blocked: list[BlockedHost]


class Throughput(NamedTuple):
    """The attempts that ended in a time step.

    Attributes:
        at: when the step began, UTC, as `2026-11-22T06:00:03.000000Z`.
        succeeded: number of attempts that succeeded.
        failed: number of the other attempts.
    """

    at: str
    succeeded: int
    failed: int


def run_overview(ledger: Ledger, run_id: str, now: datetime | None = None) -> RunOverview:
    """Return the state of a run; `now` is the present time, or None for that of the clock."""
    now = now or datetime.now(UTC)
    dispatches = ledger.dispatches(run_id)
    accounting = ledger.accounting(run_id)
    [(started_at, ended_at)] = ledger.rows(TIMES_QUERY, run_id)
    since = timestamp(now - timedelta(seconds=RATE_SECONDS))
    [(recent,)] = ledger.rows(RECENT_QUERY, run_id, since)
    [(unrecorded,)] = ledger.rows(UNRECORDED_QUERY, run_id)
    mean = 0.0
    if started_at and ended_at:
        seconds = _seconds_between(started_at, ended_at)
        mean = 60 * accounting.ended / seconds if seconds > 0 else 0.0
    return RunOverview(
        run_id=run_id,
        accounting=accounting,
        dispatch=whole(dispatches) if dispatches else None,
        failures=ledger.failures(run_id),
        started_at=started_at,
        ended_at=ended_at,
        per_minute=recent,
        mean_per_minute=mean,
        seconds_left=seconds_left(accounting.in_flight, recent, mean),
        unrecorded_attempts=unrecorded,
    )


def seconds_left(in_flight: int, per_minute: float, mean_per_minute: float) -> float | None:
    """Return the number of seconds for the jobs in flight at one of two rates; None if both are 0."""
    if not in_flight:
        return 0.0
    rate = per_minute or mean_per_minute
    return 60 * in_flight / rate if rate else None


def queue_summary(ledger: Ledger, now: datetime | None = None) -> QueueSummary:
    """Return the state of the queue; `now` is the present time, or None for that of the clock."""
    [(oldest,)] = ledger.rows(OLDEST_QUERY)
    blocked = ledger.rows(BLOCKED_QUERY, timestamp(now or datetime.now(UTC)), 100)
    return QueueSummary(
        ledger.accounting(), oldest, [BlockedHost(host or "", *rest) for host, *rest in blocked]
    )


def throughput(
    ledger: Ledger,
    since: datetime,
    step_seconds: int,
    run_id: str | None = None,
    now: datetime | None = None,
) -> list[Throughput]:
    """Return the attempts of each step of time from `since` until now, the oldest first.

    Args:
        ledger: the ledger.
        since: the begin of the first step; a part of a second is ignored, because attempts are counted by
            seconds.
        step_seconds: number of seconds of a step.
        run_id: id of a run; None for all runs.
        now: the present time; None for that of the clock.
    """
    now, since = now or datetime.now(UTC), since.replace(microsecond=0)
    counts, first = defaultdict[int, list[int]](lambda: [0, 0]), int(since.timestamp())
    for second, outcome, attempts in ledger.rows(THROUGHPUT_QUERY, first, run_id, run_id):
        counts[(second - first) // step_seconds][outcome != "succeeded"] += attempts
    steps = int((now - since).total_seconds() // step_seconds) + 1
    return [
        Throughput(timestamp(since + timedelta(seconds=step * step_seconds)), *counts[step])
        for step in range(steps)
    ]


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
