"""Makes the lines that tell the life of a job. Pure."""

from collections.abc import Sequence

from console.ledger.job_rows import Attempted, DeadLettered, Event, JobState, Published
from console.report.dead_letters import remedy
from console.report.tables import meaning_of
from console.terminal import json_line, printable
from contract.outcome import Reason

#: What each state of a job means.
STATES = {
    "queued": "waits in the queue for its first attempt",
    "retrying": "waits for its next attempt, or is being attempted",
    "succeeded": "has succeeded",
    "dead": "is a dead letter",
}
MAX_ITEM_CHARACTERS = 500  #: number of characters of an item that are shown


def job_lines(job: JobState, events: Sequence[Event], items: Sequence[object]) -> list[str]:
    """Return the lines: page and state of the job, its events, its items, and what to do if it is dead."""
    lines = [printable(job.url) or "page unknown", f"  job {job.job_id} of run {job.run_id}"]
    lines.append(f"  {STATES.get(job.state, job.state)}")
    for event in events:
        lines += event_lines(event)
    for item in items:
        text = json_line(item)
        more = "" if len(text) <= MAX_ITEM_CHARACTERS else f" … ({len(text)} characters)"
        lines.append(f"  item: {text[:MAX_ITEM_CHARACTERS]}{more}")
    if job.state == "dead" and (meaning := meaning_of(job.last_reason)):
        lines.append(f"  what to do: {remedy(meaning)}")
    return lines


def event_lines(event: Event) -> list[str]:
    """Return an event as a line that begins with its time in UTC, and its detail as another line."""
    match event:
        case Published():
            until = f", not to be attempted before {shown_time(event.not_before)}" if event.not_before else ""
            return [f"  {shown_time(event.at)}  {event.why}{until}"]
        case DeadLettered():
            deliveries = f" after {event.deliveries} deliveries" if event.deliveries else ""
            reason = f": {printable(event.reason)}" if event.reason else ""
            return [f"  {shown_time(event.at)}  dead letter{deliveries}{reason}"]
        case Attempted():
            return _attempt_lines(event)


def _attempt_lines(event: Attempted) -> list[str]:
    parts = [f"HTTP {event.http_status}"] if event.http_status else []
    if event.body_bytes:
        parts.append(f"{event.body_bytes:,} bytes")
    if event.reason == Reason.OK:
        parts.append(f"{event.item_count} item{'' if event.item_count == 1 else 's'}")
    parts.append(f"{event.total_seconds:.1f} s")
    if event.waited_seconds >= 0.05:
        parts[-1] += f" ({event.waited_seconds:.1f} s of them waiting)"
    if event.worker:
        parts.append(event.worker)
    lines = [f"  {shown_time(event.at)}  attempt {event.attempt}: {event.reason}, {', '.join(parts)}"]
    meaning = meaning_of(event.reason)
    detail = printable(event.detail) or (meaning.sentence if meaning and event.reason != Reason.OK else "")
    return [*map(printable, lines), *([f"{' ' * 23}{detail}"] if detail else [])]


def shown_time(text: str) -> str:
    """Return a time as `2026-11-22 06:00:03` of the ledger's `2026-11-22T06:00:03.120000Z`."""
    return text[:19].replace("T", " ")
