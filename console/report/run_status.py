"""Shows the state of a run: how far it is, how fast, what waits and why, and which fields are empty."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from console.ledger.field_rows import FieldRow, field_rows, previous_run
from console.ledger.host_rows import HostRow, host_rows
from console.ledger.job_rows import RetryingJob, retrying_jobs
from console.ledger.ledger import Accounting, Ledger, Listing
from console.ledger.run_overview import RunOverview, run_overview
from console.report.controls import control_lines
from console.report.durations import duration
from console.report.listings import listing_lines
from console.report.retries import next_attempt, retries_table
from console.report.tables import dispatch_line, failures_table, rejected_tables, text_table
from console.stack.services import DeliveryPolicy
from console.terminal import TextTable

MAX_RETRYING = 20  #: maximum number of jobs that are shown as being retried
MAX_HOSTS = 20  #: maximum number of hosts that are shown
MAX_FIELDS = 50  #: maximum number of fields that are shown
MAX_COMPLAINTS = 5  #: maximum number of complaints that are shown
MAX_VALUE = 40  #: number of characters of a value that are shown
BAR_WIDTH = 30
MISSING = (
    "they have not ended and are older than the queue's message retention, or the ledger has no record of "
    "their dispatch"
)


class RunStatus(NamedTuple):
    """The state of a run.

    Attributes:
        overview: its numbers and rates.
        hosts: its hosts, those with the most waiting jobs first.
        fields: the fields of its items, compared with the previous run of the crawl.
        retrying: the first jobs that are being retried.
        listings: its listings.
        controls: sentences about what operators have cancelled or paused.
    """

    overview: RunOverview
    hosts: list[HostRow]
    fields: list[FieldRow]
    retrying: list[RetryingJob]
    listings: list[Listing]
    controls: list[str]


def read_status(ledger: Ledger, run_id: str, now: datetime) -> RunStatus:
    """Return the state of a run."""
    with ledger.snapshot():
        return RunStatus(
            overview=run_overview(ledger, run_id, now),
            hosts=host_rows(ledger, run_id, now=now),
            fields=field_rows(ledger, run_id, previous_run(ledger, run_id)),
            retrying=retrying_jobs(ledger, run_id, MAX_RETRYING),
            listings=ledger.listings(run_id),
            controls=list(control_lines(ledger, [run_id], now)),
        )


def status_parts(status: RunStatus, policy: DeliveryPolicy, now: datetime) -> Iterator[str | TextTable]:
    """Yield the lines and tables that show the state of a run; the accounting comes last."""
    overview, accounting = status.overview, status.overview.accounting
    yield f"run {overview.run_id}"
    yield from progress_lines(overview, latest_wait(status, policy, now))
    if overview.dispatch:
        yield dispatch_line(overview.dispatch)
        yield from rejected_tables(overview.dispatch.report)
    if overview.failures:
        yield failures_table(overview.failures)
    if overview.unrecorded_attempts:
        yield (
            f"At least {overview.unrecorded_attempts} attempts left no outcome: no worker was free, a worker "
            "was killed, or an outcome was not confirmed."
        )
    if len(status.hosts) > 1 or any(host.blocked_until or host.failed_attempts for host in status.hosts):
        yield hosts_table(status.hosts)
    if status.fields:
        yield fields_table(status.fields)
        yield from complaint_lines(status.fields)
    yield from listing_lines(status.listings)
    if status.retrying:
        yield retries_table(status.retrying, accounting.retrying, policy, now)
    if accounting.missing:
        yield f"{accounting.missing} jobs are missing: {MISSING}."
    yield from status.controls
    yield str(accounting)


def latest_wait(status: RunStatus, policy: DeliveryPolicy, now: datetime) -> float:
    """Return after how many seconds the last of the jobs that are known to wait may be attempted."""
    times = [next_attempt(job, policy) for job in status.retrying]
    times += [datetime.fromisoformat(host.blocked_until) for host in status.hosts if host.blocked_until]
    return max(((time - now).total_seconds() for time in times), default=0.0)


def progress_lines(overview: RunOverview, wait: float = 0.0) -> Iterator[str]:
    """Yield a line with a bar, and one with the rates and the time left: not less than `wait` seconds."""
    accounting = overview.accounting
    jobs = accounting.dispatched
    if overview.dispatch and not overview.dispatch.is_complete:
        jobs = max(jobs, overview.dispatch.report.published)
    share = accounting.ended / jobs if jobs else 0.0
    done = int(BAR_WIDTH * share)
    bar = "#" * done + "-" * (BAR_WIDTH - done)
    yield f"[{bar}] {100 * share:.0f} %, {accounting.ended:,} of {jobs:,} jobs have ended"
    if not accounting.in_flight:
        yield f"mean {overview.mean_per_minute:,.0f} jobs per minute"
        return
    known = overview.seconds_left is not None or wait > 0
    left = f"about {duration(max(overview.seconds_left or 0.0, wait))}" if known else "unknown"
    yield (
        f"last minute {overview.per_minute:,} jobs, mean {overview.mean_per_minute:,.0f} per minute; "
        f"time left: {left}"
    )


def hosts_table(hosts: Sequence[HostRow]) -> TextTable:
    """Return a table of hosts; the last row says how many more there are."""
    is_blocked = any(host.blocked_until for host in hosts[:MAX_HOSTS])
    names = ("host", "jobs", "succeeded", "dead", "waiting", "4xx", "5xx", "per minute")
    table = text_table(*names, *(["blocked until"] * is_blocked))
    for row in hosts[:MAX_HOSTS]:
        counts = (row.jobs, row.succeeded, row.dead, row.waiting, row.http_4xx, row.http_5xx, row.per_minute)
        until = [f"{row.blocked_until[11:19]} UTC" if row.blocked_until else ""] * is_blocked
        table.add_texts(row.host or "unknown", *map(str, counts), *until)
    if len(hosts) > MAX_HOSTS:
        table.add_texts(f"and {len(hosts) - MAX_HOSTS:,} more", *[""] * (len(table.columns) - 1))
    return table


def fields_table(fields: Sequence[FieldRow]) -> TextTable:
    """Return a table of the fields of the items: their fill rates, a value, and a page without one."""
    rows = [row for row in fields if row.field]
    has_previous = any(row.previous_rate is not None for row in rows)
    has_recipes = len({row.recipe for row in rows}) > 1
    table = text_table("field", "filled", *(["before"] * has_previous), "for example", "empty at")
    for row in rows[:MAX_FIELDS]:
        before = [percent(row.previous_rate) if row.previous_rate is not None else ""] * has_previous
        name = f"{row.recipe}.{row.field}" if has_recipes else row.field
        example = row.samples[0] if row.samples else ""
        shown = example if len(example) <= MAX_VALUE else f"{example[:MAX_VALUE]}…"
        table.add_texts(name, percent(row.rate), *before, shown, row.empty_urls[0] if row.empty_urls else "")
    if len(rows) > MAX_FIELDS:
        table.add_texts(f"and {len(rows) - MAX_FIELDS} more", *[""] * (len(table.columns) - 1))
    return table


def percent(rate: float) -> str:
    """Return a share as a percentage; neither almost all nor almost none is rounded to all or none."""
    if 0 < rate < 0.01 or 0.99 < rate < 1:
        return "< 1 %" if rate < 0.5 else "> 99 %"
    return f"{100 * rate:.0f} %"


def complaint_lines(fields: Sequence[FieldRow]) -> Iterator[str]:
    """Yield a line for each of the most frequent complaints about pages that were scraped."""
    found = sorted((each for row in fields for each in row.complaints), key=lambda each: -each.jobs)
    for complaint in found[:MAX_COMPLAINTS]:
        pages = "1 page" if complaint.jobs == 1 else f"{complaint.jobs:,} pages"
        yield f"{pages}: {complaint.text} (for example {complaint.url})"
    if len(found) > MAX_COMPLAINTS:
        yield f"and {len(found) - MAX_COMPLAINTS} more kinds of complaints"


def accounting_json(accounting: Accounting) -> dict[str, int | bool]:
    """Return an accounting as an object of JSON: its numbers, and whether they add up."""
    return accounting._asdict() | {"adds_up": accounting.adds_up}


def status_json(status: RunStatus, policy: DeliveryPolicy) -> dict[str, Any]:
    """Return the state of a run as an object of JSON."""
    overview = status.overview
    document = overview._asdict()
    document |= {"accounting": accounting_json(overview.accounting)}
    document["dispatch"] = overview.dispatch and {
        "is_complete": overview.dispatch.is_complete,
        "requests": overview.dispatch.requests,
        "report": overview.dispatch.report.model_dump(mode="json"),
    }
    document["failures"] = [failure._asdict() for failure in overview.failures]
    document["hosts"] = [host._asdict() for host in status.hosts]
    document["fields"] = [
        row._asdict() | {"rate": row.rate, "complaints": [each._asdict() for each in row.complaints]}
        for row in status.fields
    ]
    document["retrying"] = [
        job._asdict() | {"next_attempt": next_attempt(job, policy).isoformat()} for job in status.retrying
    ]
    document["listings"] = [listing._asdict() for listing in status.listings]
    document["controls"] = status.controls
    return document
