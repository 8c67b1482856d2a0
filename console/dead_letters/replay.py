"""Replays dead letters: publishes them to the jobs topic again, without losing any."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from console.dead_letters.processing import Processed, Selection, process
from console.dead_letters.publishing import publish_jobs_again
from console.dead_letters.queue import DeadLetterQueue, released
from console.ledger.dead_letter_rows import DeadLetter, job_ends
from console.ledger.ledger import Ledger
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import PubsubConnection, open_pubsub

POLL_SECONDS = 0.5  #: seconds between two looks at the jobs of a canary
#: The same in BigQuery, where rows arrive with a delay of seconds, and each look is billed.
CLOUD_POLL_SECONDS = 10.0

Show = Callable[[int], None]


class CanaryEnd(NamedTuple):
    """How the jobs of a canary have ended.

    Attributes:
        succeeded: number of jobs that succeeded.
        states: number of the other jobs by their state, for example `dead`.
    """

    succeeded: int
    states: dict[str, int]


@contextmanager
def open_dead_letters(address: PubsubAddress) -> Iterator[tuple[DeadLetterQueue, PubsubConnection]]:
    """Yield the dead letters of a stack, and the connection; release the former at the end."""
    with open_pubsub(address) as pubsub, released(DeadLetterQueue(pubsub)) as queue:
        yield queue, pubsub


def replay(address: PubsubAddress, selection: Selection, show: Show = lambda _: None) -> Processed:
    """Publish the selected dead letters as jobs again, without a record of the act; leave the others.

    Args:
        address: names the stack.
        selection: which dead letters.
        show: called with the number of dead letters that are replayed so far.

    Raises:
        ReplayError: a call to Pub/Sub failed; jobs that are not confirmed as published stay dead letters.
    """
    with open_dead_letters(address) as (queue, pubsub):
        return process(queue, selection, lambda messages: publish_jobs_again(pubsub, messages), show)


def await_ends(
    ledger: Ledger,
    jobs: Sequence[tuple[str, str, str]],
    show: Show = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> CanaryEnd:
    """Wait until all of some replayed jobs have ended, and return how.

    Args:
        ledger: the ledger.
        jobs: of each job, the run, the job id, and when it had died before its replay, or `""`.
        show: called with the number of jobs that have ended.
        sleep: waits the given number of seconds.
    """
    ends: dict[tuple[str, str], str] = {}
    while True:
        waiting = [job for job in jobs if job[:2] not in ends]
        states = {
            run_id: job_ends(ledger, run_id, [job_id for run, job_id, _ in waiting if run == run_id])
            for run_id in {run_id for run_id, _, _ in waiting}
        }
        for run_id, job_id, died_at in waiting:
            if job_id in states[run_id]:
                state, dead_at = states[run_id][job_id]
                # Until the row of the replay arrives, the ledger shows the old dead letter.
                is_replayed = state != "dead" or dead_at > died_at
                if is_replayed and state not in {"queued", "retrying"}:
                    ends[run_id, job_id] = state
        show(len(ends))
        if len(ends) == len(jobs):
            break
        sleep(POLL_SECONDS if ledger.is_local else CLOUD_POLL_SECONDS)
    others = [state for state in ends.values() if state != "succeeded"]
    return CanaryEnd(len(ends) - len(others), {state: others.count(state) for state in sorted(set(others))})


def died(letters: Sequence[DeadLetter]) -> list[tuple[str, str, str]]:
    """Return dead letters as `await_ends` takes them."""
    return [(letter.run_id, letter.job_id, letter.dead_at) for letter in letters]
