"""Queries the hosts of a run: their jobs and failures, their rates, and whether they are blocked."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

RATE_SECONDS: Final = 60  #: number of seconds over which the present rate is measured
#: Parameters: the run id; so of the other queries, which have a time after it.
STATES_QUERY: Final = """
    SELECT coalesce(host, ''), state, jobs FROM `${ledger}.host_states` WHERE run_id = ?"""
REASONS_QUERY: Final = """
    SELECT coalesce(host, ''), reason, sum(attempts) FROM `${ledger}.failures`
    WHERE run_id = ? GROUP BY 1, 2"""
RATES_QUERY: Final = """
    SELECT coalesce(host, ''), count(*) FROM `${ledger}.attempts`
    WHERE run_id = ? AND ended_at >= CAST(? AS TIMESTAMP) GROUP BY 1"""
BLOCKED_QUERY: Final = """
    SELECT coalesce(host, ''), max(not_before) FROM `${ledger}.job_state`
    WHERE run_id = ? AND state = 'retrying' AND not_before > ? GROUP BY 1"""


class HostRow(NamedTuple):
    """A host of a run.

    Attributes:
        host: name of the host; `""` if unknown.
        jobs: number of jobs.
        succeeded: number of jobs that have succeeded.
        dead: number of jobs that are dead letters.
        waiting: number of jobs that are queued or retrying.
        failed_attempts: number of attempts that did not succeed.
        http_4xx: how many of them ended with an HTTP status from 400 to 499.
        http_5xx: how many of them ended with an HTTP status from 500 to 599.
        per_minute: number of attempts that ended within the last 60 s.
        blocked_until: the latest time, UTC, before which a worker has deferred a job of the host, because
            of Retry-After; `""` if there is none in the future.
    """

    host: str
    jobs: int
    succeeded: int
    dead: int
    waiting: int
    failed_attempts: int
    http_4xx: int
    http_5xx: int
    per_minute: int
    blocked_until: str


def host_rows(
    ledger: Ledger, run_id: str, count: int | None = None, now: datetime | None = None
) -> list[HostRow]:
    """Return the hosts of a run, those with the most waiting jobs first, then those with the most jobs.

    Args:
        ledger: the ledger.
        run_id: id of the run.
        count: maximum number of hosts; None for all.
        now: the present time; None for that of the clock.
    """
    now = now or datetime.now(UTC)
    states, reasons = defaultdict[str, Counter[str]](Counter), defaultdict[str, Counter[str]](Counter)
    for host, state, jobs in ledger.rows(STATES_QUERY, run_id):
        states[host][state] += jobs
    for host, reason, attempts in ledger.rows(REASONS_QUERY, run_id):
        reasons[host][reason or ""] = attempts
    rates = dict(ledger.rows(RATES_QUERY, run_id, timestamp(now - timedelta(seconds=RATE_SECONDS))))
    blocked = dict(ledger.rows(BLOCKED_QUERY, run_id, timestamp(now)))
    rows = [
        HostRow(
            host=host,
            jobs=jobs.total(),
            succeeded=jobs["succeeded"],
            dead=jobs["dead"],
            waiting=jobs["queued"] + jobs["retrying"],
            failed_attempts=reasons[host].total(),
            http_4xx=_with_prefix(reasons[host], "http_4"),
            http_5xx=_with_prefix(reasons[host], "http_5"),
            per_minute=rates.get(host, 0),
            blocked_until=blocked.get(host, ""),
        )
        for host, jobs in states.items()
    ]
    return sorted(rows, key=lambda row: (-row.waiting, -row.jobs, row.host))[:count]


def timestamp(time: datetime) -> str:
    """Return a time as the ledger has it: UTC with six decimals."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _with_prefix(counts: Counter[str], prefix: str) -> int:
    return sum(count for reason, count in counts.items() if reason.startswith(prefix))
