"""Collects from the ledger what the report of a run shows, with a bound on each list."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from console.ledger.field_rows import FieldRow, field_rows, previous_run
from console.ledger.host_rows import HostRow, host_rows
from console.ledger.job_page import GroupRow, JobFilter, JobRow, job_groups, job_page
from console.ledger.ledger import Ledger, Result
from console.ledger.run_overview import RunOverview, run_overview
from console.ledger.timeline_rows import Timeline, timeline
from console.ledger.use_rows import RunUse, run_use

MAX_HOSTS = 50  #: maximum number of hosts in a report; the others are counted
MAX_GROUPS = 100  #: maximum number of groups of dead letters
MAX_DEAD = 20  #: maximum number of dead letters that are listed one by one
MAX_SAMPLES = 5  #: maximum number of pages whose items are shown


@dataclass(frozen=True)
class RunReport:
    """What the report of a run shows.

    Attributes:
        crawl: name of the crawl; `""` if unknown.
        made_at: when the numbers were read, UTC.
        overview: state of the run.
        timeline: its attempts over time.
        hosts: its hosts, at most 50, those with the most waiting jobs first.
        fields: the fields of its items.
        previous: the previous run of the same crawl, with which fields are compared; None if there is none.
        dead_groups: its dead letters by host, cause and reason, at most 100 groups.
        dead: its dead letters, at most 20.
        samples: pages that were scraped, at most 5.
        use: what the run has used, from which its cost is calculated.
    """

    crawl: str
    made_at: datetime
    overview: RunOverview
    timeline: Timeline
    hosts: list[HostRow]
    fields: list[FieldRow]
    previous: str | None
    dead_groups: list[GroupRow]
    dead: list[JobRow]
    samples: list[Result]
    use: RunUse


def run_report(ledger: Ledger, run_id: str, now: datetime) -> RunReport:
    """Return the report of a run at the present time, `now`."""
    overview = run_overview(ledger, run_id, now)
    previous = previous_run(ledger, run_id)
    dead = JobFilter(run_id=run_id, state="dead")
    return RunReport(
        crawl=crawl_of(ledger, run_id),
        made_at=now,
        overview=overview,
        timeline=timeline(ledger, run_id, overview.started_at, overview.ended_at),
        hosts=host_rows(ledger, run_id, MAX_HOSTS + 1, now),
        fields=field_rows(ledger, run_id, previous),
        previous=previous,
        dead_groups=job_groups(ledger, dead, MAX_GROUPS),
        dead=job_page(ledger, dead, count=MAX_DEAD),
        samples=list(islice(ledger.results(run_id), MAX_SAMPLES)),
        use=run_use(ledger, run_id),
    )


def crawl_of(ledger: Ledger, run_id: str) -> str:
    """Return the name of the crawl of a run; `""` if the ledger does not know it."""
    rows = ledger.rows("SELECT crawl FROM `${ledger}.run_crawls` WHERE run_id = ?", run_id)
    return str(rows[0][0] or "") if rows else ""
