"""Makes the lines that explain dead letters, grouped by their reason and host. Pure."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from console.ledger.dead_letter_rows import NO_OUTCOME, DeadLetter
from console.ledger.ledger import DeadJob
from console.report.tables import meaning_of
from console.terminal import printable
from contract.outcome import Cause, Outcome, Reason
from contract.reason_meanings import NOTHING_TO_DO, REASON_MEANINGS, DeadLetterCommand, ReasonMeaning

INFRASTRUCTURE = (
    "No request showed a fault of the page: the job waited, or workers or Pub/Sub failed, until its "
    "deliveries were used up."
)
WITHOUT_OUTCOME = (
    "without an outcome: no worker was free, workers were killed, or outcomes were not confirmed"
)
NO_OUTCOME_REMEDY = "see in the worker's log what was wrong; then replay"
#: Reasons that stand for several HTTP statuses, which are grouped by the status.
_CLASSES = {Reason.HTTP_4XX, Reason.HTTP_5XX, Reason.HTTP_OTHER}


class Group(NamedTuple):
    """Dead letters with the same reason, HTTP status and host.

    Attributes:
        cause: `page`, `message` or `infrastructure`.
        reason: the reason, as a filter takes it: `http_503` instead of `http_5xx`.
        host: the host; `""` if it is unknown.
        letters: the dead letters.
    """

    cause: str
    reason: str
    host: str
    letters: tuple[DeadLetter, ...]

    @property
    def where(self) -> str:
        """Return the filter that selects these dead letters among those of their runs."""
        host = [f"host={self.host}"] if self.host else []
        return " ".join([f"reason={self.reason}", *host, f"cause={self.cause}"])


def grouped(letters: Sequence[DeadLetter]) -> list[Group]:
    """Return dead letters in groups, the largest first; those that the infrastructure caused come last."""

    def key(letter: DeadLetter) -> tuple[str, str, str]:
        is_class = letter.reason in _CLASSES and letter.http_status
        reason = f"http_{letter.http_status}" if is_class else letter.reason
        return letter.cause, reason, letter.host

    groups = [Group(*names, tuple(found)) for names, found in groupby(sorted(letters, key=key), key)]
    return sorted(
        groups,
        key=lambda each: (each.cause == Cause.INFRASTRUCTURE, -len(each.letters), each.reason, each.host),
    )


def dead_letter_lines(
    title: str, letters: Sequence[DeadLetter], command: Sequence[str], options: Sequence[str], limit: int
) -> list[str]:
    """Return the lines about dead letters: for each group its meaning, and which jobs it has.

    Args:
        title: what was selected, for example `run books-1`.
        letters: the dead letters.
        command: the words before those of each command that is shown, for example `scrapeq dead`.
        options: the words at the end of each command, for example the run and `--data`.
        limit: maximum number of dead letters that are shown of each group.
    """
    lines = [f"{title}: {_count(len(letters))}"]
    groups = grouped(letters)
    for group in groups:
        if group.cause == Cause.INFRASTRUCTURE and not any("by infrastructure" in line for line in lines):
            found = sum(len(each.letters) for each in groups if each.cause == Cause.INFRASTRUCTURE)
            shown = shlex.join([*command, "replay", *options, "--infrastructure"])
            lines += ["", f"by infrastructure: {_count(found)}. {INFRASTRUCTURE}"]
            lines.append(f"  to replay just these: {shown}")
        lines += ["", *_group_lines(group, command, options, limit)]
    return lines


def _group_lines(group: Group, command: Sequence[str], options: Sequence[str], limit: int) -> Iterator[str]:
    yield printable(f"{group.reason} {f'at {group.host}' if group.host else ''}".strip()) + (
        f": {_count(len(group.letters))}"
    )
    sentence, advice, helps = explained(group.letters[0])
    yield f"  {sentence}"
    yield f"  what to do: {advice}"
    if group.cause != Cause.INFRASTRUCTURE:
        yield printable(
            f"  command: {shlex.join([*command, *helps.split(), *options, '--where', group.where])}"
        )
    for letter in group.letters[:limit]:
        name = letter.job_id or f"message {letter.message_id}"
        attempts = f"{letter.attempts} attempt{'' if letter.attempts == 1 else 's'}"
        yield printable(f"  {name}  {attempts}  {letter.url}".rstrip())
        if letter.detail:
            yield f"    {printable(letter.detail)}"
    if len(group.letters) > limit:
        yield f"  and {len(group.letters) - limit} more; --limit shows more of them"


def explained(letter: DeadLetter) -> tuple[str, str, str]:
    """Return what happened to a dead letter, what to do, and the subcommand of `dead` that does it."""
    if letter.reason == NO_OUTCOME:
        return f"the attempts ended {WITHOUT_OUTCOME}", NO_OUTCOME_REMEDY, DeadLetterCommand.REPLAY
    meaning = meaning_of(letter.reason)
    if meaning is None:
        return (
            "a reason of another version",
            "look at its last attempt: scrapeq job",
            DeadLetterCommand.REPLAY,
        )
    return meaning.sentence, remedy(meaning), meaning.command


def dead_job_lines(job: DeadJob) -> list[str]:
    """Return the lines that describe a dead letter: its URL, attempts, reason, detail and remedy."""
    attempts = f"{job.attempts} attempt{'' if job.attempts == 1 else 's'}"
    lines = [printable(job.url) or f"job {job.job_id or 'without an id'}"]
    if job.cause == Cause.MESSAGE:
        meaning = REASON_MEANINGS[Reason.BAD_JOB]
        return [*lines, f"  {attempts}: {meaning.sentence}", f"  what to do: {meaning.remedy}"]
    if not job.reason:
        return [*lines, f"  {attempts} {WITHOUT_OUTCOME}", f"  what to do: {NO_OUTCOME_REMEDY}"]
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
