"""Watches the first jobs of a replay, on whose success the replay of the others depends."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from console.ledger.dead_letter_rows import job_ends
from console.ledger.ledger import Ledger

POLL_SECONDS = 0.5  #: seconds between two looks at the ledger of a data directory
BILLED_POLL_SECONDS = 10.0  #: the same in BigQuery, where each look is billed, and rows arrive seconds later
UNREADABLE = "unreadable"  #: stands for the state of a message that is no job
UNENDED = frozenset({"queued", "retrying"})


class CanaryState(NamedTuple):
    """How far the jobs of a canary are.

    Attributes:
        succeeded: number of jobs that succeeded.
        others: number of jobs that have ended otherwise, by their state, for example `dead`.
        waiting: number of jobs that have not ended.
    """

    succeeded: int
    others: Mapping[str, int]
    waiting: int

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return self.ended + self.waiting

    @property
    def ended(self) -> int:
        """Number of jobs that have ended."""
        return self.succeeded + sum(self.others.values())

    @property
    def is_success(self) -> bool:
        """Whether all jobs have succeeded."""
        return self.succeeded == self.jobs

    def __str__(self) -> str:
        counts = [f"{self.succeeded:,} succeeded"]
        counts += [f"{count:,} {state}" for state, count in sorted(self.others.items())]
        counts += [f"{self.waiting:,} not ended"] if self.waiting else []
        of = "the first job" if self.jobs == 1 else f"the first {self.jobs:,} jobs"
        return f"of {of}: {', '.join(counts)}"


class Canary:
    """The first jobs of a replay.

    Args:
        ledger: the ledger.
        jobs: of each job, the run, the job id, and when it had died before its replay, or `""`.
    """

    def __init__(self, ledger: Ledger, jobs: Sequence[tuple[str, str, str]]) -> None:
        self._ledger = ledger
        self._waiting = {(run_id, job_id): died_at for run_id, job_id, died_at in jobs if run_id and job_id}
        # The ledger has no end of a message that names no job.
        self._ends = Counter({UNREADABLE: len(jobs) - len(self._waiting)})

    def look(self) -> CanaryState:
        """Read the ledger, and return how far the jobs are."""
        by_run = defaultdict[str, list[str]](list)
        for run_id, job_id in self._waiting:
            by_run[run_id].append(job_id)
        with self._ledger.snapshot():
            for run_id, job_ids in by_run.items():
                for job_id, (state, dead_at) in job_ends(self._ledger, run_id, job_ids).items():
                    self._note(run_id, job_id, state, dead_at)
        others = {state: count for state, count in self._ends.items() if count and state != "succeeded"}
        return CanaryState(self._ends["succeeded"], others, len(self._waiting))

    def _note(self, run_id: str, job_id: str, state: str, dead_at: str) -> None:
        # Until the row of the replay arrives, the ledger shows the old dead letter.
        is_replayed = state != "dead" or dead_at > self._waiting[run_id, job_id]
        if is_replayed and state not in UNENDED:
            del self._waiting[run_id, job_id]
            self._ends[state] += 1


def await_ends(
    ledger: Ledger,
    jobs: Sequence[tuple[str, str, str]],
    show: Callable[[CanaryState], None] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
) -> CanaryState:
    """Wait until all jobs of a canary have ended, and return how.

    Args:
        ledger: the ledger.
        jobs: as of `Canary`.
        show: called after each look at the ledger.
        pause: waits for the given number of seconds, and returns a true value to wait no longer.
    """
    canary = Canary(ledger, jobs)
    while True:
        state = canary.look()
        show(state)
        if not state.waiting or pause(POLL_SECONDS if ledger.is_local else BILLED_POLL_SECONDS):
            return state
