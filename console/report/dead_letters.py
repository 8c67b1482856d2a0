"""Makes the lines that explain dead letters, grouped by their cause. Pure."""

from collections.abc import Sequence

from console.ledger.ledger import DeadJob
from console.report.tables import meaning_of
from console.terminal import printable
from contract.outcome import Outcome, Reason
from contract.reason_meanings import NOTHING_TO_DO, REASON_MEANINGS, ReasonMeaning

INFRASTRUCTURE = (
    "No request showed a fault of the page: the job waited, or workers or Pub/Sub failed, until its "
    "deliveries were used up."
)
NO_OUTCOME = "without an outcome: no worker was free, workers were killed, or outcomes were not confirmed"
NO_OUTCOME_REMEDY = "see in the worker's log what was wrong; then replay"


def dead_letter_lines(run_id: str, jobs: Sequence[DeadJob], replay: str) -> list[str]:
    """Return the lines about the dead letters of a run; those caused by the infrastructure come last.

    Args:
        run_id: the run.
        jobs: its dead jobs.
        replay: the command that replays those that the infrastructure caused.
    """
    infrastructure = [job for job in jobs if job.cause == "infrastructure"]
    lines = [f"run {run_id}: {_count(len(jobs))}"]
    lines += [line for job in jobs if job.cause != "infrastructure" for line in dead_job_lines(job)]
    if infrastructure:
        count = _count(len(infrastructure))
        lines += [f"by infrastructure: {count}. {INFRASTRUCTURE}", f"  to replay just these: {replay}"]
    return lines + [line for job in infrastructure for line in dead_job_lines(job)]


def dead_job_lines(job: DeadJob) -> list[str]:
    """Return the lines that describe a dead letter: its URL, attempts, reason, detail and remedy."""
    attempts = f"{job.attempts} attempt{'' if job.attempts == 1 else 's'}"
    lines = [printable(job.url) or f"job {job.job_id or 'without an id'}"]
    if job.cause == "message":
        meaning = REASON_MEANINGS[Reason.BAD_JOB]
        return [*lines, f"  {attempts}: {meaning.sentence}", f"  what to do: {meaning.remedy}"]
    if not job.reason:
        return [*lines, f"  {attempts} {NO_OUTCOME}", f"  what to do: {NO_OUTCOME_REMEDY}"]
    # If a page was scraped and its job is dead, the job of its next page could not be published.
    reason = Reason.PUBLISH_UNCONFIRMED.value if job.reason == Reason.OK else job.reason
    found = meaning_of(reason)
    lines.append(f"  {attempts}, the last: {reason}" + (f" ({found.sentence})" if found else ""))
    if job.detail:
        lines.append(f"  detail: {printable(job.detail)}")
    if found:
        lines.append(f"  what to do: {remedy(found)}")
    return lines


def _count(number: int) -> str:
    return f"{number} dead {'letter' if number == 1 else 'letters'}"


def remedy(meaning: ReasonMeaning) -> str:
    """Return what to do with a dead letter whose last attempt ended for this reason."""
    if meaning.outcome is Outcome.RETRY and meaning.remedy == NOTHING_TO_DO:
        return "every retry failed; check that the site works, then replay"
    return meaning.remedy
