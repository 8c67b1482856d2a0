"""Plans which jobs are replaced with a mended recipe: dead ones, and those in which a field was not found."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from console.dead_letters.replacement import NO_JOB, SAME_RECIPE, TOO_LARGE, TRIED_BEFORE, replacement
from console.ledger.dead_letter_rows import (
    DeadLetter,
    dead_letter_messages,
    published_job_ids,
    published_jobs,
    published_pages,
    succeeded_jobs,
)
from console.ledger.field_names import check_fields
from console.ledger.ledger import Ledger
from contract.faults import UnreadableJob
from contract.job import Job
from contract.outcome import Reason
from contract.recipe import Recipe


class Replacements(NamedTuple):
    """The jobs to publish.

    Attributes:
        by_message: the replacement of each dead letter, by the message id of the dead letter.
        others: the replacements of jobs that have succeeded.
        refused: for each reason why a job is not replaced, a clause for people, the number of jobs.
    """

    by_message: dict[str, Job]
    others: list[Job]
    refused: Mapping[str, int]

    @property
    def total(self) -> int:
        """Number of the jobs to publish."""
        return len(self.by_message) + len(self.others)


def plan_replacements(
    ledger: Ledger, recipe: Recipe, letters: Sequence[DeadLetter], others: Iterable[Job], now: datetime
) -> Replacements:
    """Return the replacements of dead letters, and of other jobs.

    Args:
        ledger: the ledger.
        recipe: the mended recipe.
        letters: the dead letters.
        others: jobs that are no dead letters.
        now: the current time, with a time zone.
    """
    planner = _Planner(ledger, recipe, now)
    wanted = {letter.message_id for letter in letters}
    runs = {letter.run_id for letter in letters}
    bodies = {
        message_id: bytes(data or b"")
        for run_id in runs
        for message_id, data, _ in dead_letter_messages(ledger, run_id or None)
        if message_id in wanted
    }
    by_message = dict[str, Job]()
    for letter in letters:
        try:
            job = Job.decode(bodies.get(letter.message_id, b""))
        except UnreadableJob:
            planner.refused[NO_JOB] += 1
            continue
        if (made := planner.replace(job)) is not None:
            by_message[letter.message_id] = made
    made_others = [made for job in others if (made := planner.replace(job)) is not None]
    return Replacements(by_message, made_others, planner.refused)


class _Planner:
    def __init__(self, ledger: Ledger, recipe: Recipe, now: datetime) -> None:
        self.refused = Counter[str]()
        self._ledger = ledger
        self._recipe = recipe
        self._now = now
        self._pages = dict[str, set[tuple[str, int]]]()
        self._job_ids = dict[str, set[str]]()

    def replace(self, job: Job) -> Job | None:
        """Return the replacement of a job; count why, and return None, if it must not be replaced."""
        if job.run_id not in self._pages:
            self._pages[job.run_id] = published_pages(self._ledger, job.run_id)
            self._job_ids[job.run_id] = published_job_ids(self._ledger, job.run_id)
        further = (job.listing_id, job.page + 1) in self._pages[job.run_id]
        made = replacement(job, self._recipe, self._now, has_further_pages=further)
        if job.recipe.to_json_dict() in (made.recipe.to_json_dict(), self._recipe.to_json_dict()):
            why = SAME_RECIPE
        elif made.job_id in self._job_ids[job.run_id]:
            why = TRIED_BEFORE
        elif not _fits(made):
            why = TOO_LARGE
        else:
            return made
        self.refused[why] += 1
        return None


def _fits(job: Job) -> bool:
    try:
        job.encode()
    except ValueError:
        return False
    return True


def pages_without_field(ledger: Ledger, run_id: str, field: str) -> list[Job]:
    """Return the jobs of a run that succeeded, but have an item without a value of a field.

    An item has no value if it is null, an empty text or an empty list, or if a text could not be converted.

    Raises:
        UsageError: no item of the run has such a field; the message lists the fields.
    """
    check_fields(ledger, run_id, [field])
    wanted = {
        result.job_id
        for result in ledger.results(run_id)
        if any(_is_empty(item[field]) for item in result.items if field in item)
    } & succeeded_jobs(ledger, run_id)
    bodies = published_jobs(ledger, run_id) if wanted else {}
    return [Job.decode(bodies[job_id]) for job_id in sorted(wanted & bodies.keys())]


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value == []  # noqa: PLR1714 - a list has no hash


def died_of_field(letter: DeadLetter, field: str) -> bool:
    """Return whether a job died because a field was missing or could not be converted."""
    # The detail begins with the field's path (extraction/extract.py).
    is_field = re.match(rf"{re.escape(field)}[.\[:]", letter.detail) is not None
    return letter.reason in {Reason.MISSING_FIELD, Reason.BAD_VALUE} and is_field
