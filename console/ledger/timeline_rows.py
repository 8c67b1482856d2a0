"""Queries how the attempts of a run went over time: their outcomes, and how long they took."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

STEPS: Final = 100  #: maximum number of intervals that a run is divided into, and one more
#: Lengths of an interval, in seconds; a longer one is a multiple of a day.
STEP_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
PER_SECOND: Final = 50  #: the duration of an attempt is counted in parts of a second of this number
#: Parameters: the length of an interval in seconds, and the run id. One row for each interval, outcome and
#: duration, so that a long run has no more rows than durations. Time that a job waited does not count.
QUERY: Final = """
    SELECT DIV(UNIX_SECONDS(ended_at), ?), outcome,
        round(50 * (coalesce(total_seconds, 0.0) - coalesce(waited_seconds, 0.0))), count(*)
    FROM `${ledger}.attempts` WHERE run_id = ? GROUP BY 1, 2, 3"""


class Timeline(NamedTuple):
    """The attempts of a run by intervals of equal length.

    Attributes:
        seconds: length of an interval.
        times: beginning of each interval, UTC, without gaps.
        outcomes: number of attempts that ended in each interval, by outcome.
        p50: median duration of the attempts of each interval, in seconds, without the time for which the job
            waited; None if there was no attempt.
        p95: 95th percentile, likewise.
    """

    seconds: int
    times: list[datetime]
    outcomes: dict[str, list[int]]
    p50: list[float | None]
    p95: list[float | None]

    @property
    def attempts(self) -> list[int]:
        """Number of attempts that ended in each interval."""
        return [sum(counts) for counts in zip(*self.outcomes.values(), strict=True)]


def timeline(ledger: Ledger, run_id: str, started_at: str | None, ended_at: str | None) -> Timeline:
    """Return the attempts of a run over time; the times are those of `RunOverview`."""
    if not started_at or not ended_at:
        return Timeline(1, [], {}, [], [])
    start, end = datetime.fromisoformat(started_at), datetime.fromisoformat(ended_at)
    seconds = step_seconds((end - start).total_seconds())
    first, last = int(start.timestamp()) // seconds, int(end.timestamp()) // seconds
    count = max(1, last - first + 1)
    outcomes = defaultdict[str, list[int]](lambda: [0] * count)
    durations = [defaultdict[float, int](int) for _ in range(count)]
    for step, outcome, duration, attempts in ledger.rows(QUERY, seconds, run_id):
        place = min(max(int(step) - first, 0), count - 1)
        outcomes[outcome or ""][place] += attempts
        durations[place][max(0.0, float(duration)) / PER_SECOND] += attempts
    zero = datetime.fromtimestamp(first * seconds, UTC)
    return Timeline(
        seconds,
        [zero + timedelta(seconds=seconds * step) for step in range(count)],
        dict(sorted(outcomes.items(), key=lambda each: (each[0] != "succeeded", each[0]))),
        [percentile(counts, 0.5) for counts in durations],
        [percentile(counts, 0.95) for counts in durations],
    )


def step_seconds(span: float) -> int:
    """Return the length of an interval for a run of `span` seconds, so that it has at most about `STEPS`."""
    found = next((step for step in STEP_SECONDS if step * STEPS >= span), 0)
    return found or 86_400 * round(span / STEPS / 86_400 + 0.5)


def percentile(counts: dict[float, int], share: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed; None if none are."""
    total, seen = sum(counts.values()), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= share * total:
            return value
    return None
