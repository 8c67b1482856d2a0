"""The screens of the jobs of a run, and of one job."""

import flask
from flask import Blueprint, abort, render_template

from console.ledger.job_page import Cursor, JobFilter, job_page
from console.ledger.job_rows import find_jobs, job_events, job_items, job_message
from console.report.dead_letters import remedy
from console.report.job_history import STATES
from console.report.tables import meaning_of
from console.web.context import argument, console_options

SCREEN = Blueprint("jobs", __name__)
ROWS = 50
MAX_RUNS = 200
MAX_ITEMS = 100


@SCREEN.get("/jobs")
def jobs() -> str:
    """List the jobs of a run that the filter selects."""
    ledger = console_options().ledger
    runs = ledger.runs()
    run_id = ledger.resolve_run(argument("run") or None) if runs else ""
    chosen = JobFilter(run_id, argument("state"), argument("reason"), argument("host"), text=argument("text"))
    recorded_at, _, job_id = argument("after").partition("~")
    after = Cursor(recorded_at, job_id) if job_id else None
    found = job_page(ledger, chosen, after, ROWS + 1) if run_id else []
    return render_template(
        "jobs.html",
        runs=runs[:MAX_RUNS],
        run_id=run_id,
        chosen=chosen,
        states=STATES,
        reasons=sorted({each.reason for each in ledger.failures(run_id)}) if run_id else [],
        found=found[:ROWS],
        is_first=after is None,
        next="~".join(found[ROWS - 1].cursor) if len(found) > ROWS else "",
        meaning_of=meaning_of,
    )


@SCREEN.get("/job/<job_id>")
def job(job_id: str) -> flask.typing.ResponseReturnValue:
    """Show the life of a job: its messages and attempts as a time line, its recipe and its items."""
    ledger = console_options().ledger
    found = find_jobs(ledger, job_id, argument("run") or None)
    if not found:
        abort(404, f"The ledger has no job {job_id[:64]}.")
    shown = found[0]
    meaning = meaning_of(shown.last_reason)
    return render_template(
        "job.html",
        job=shown,
        others=found[1:],
        state=STATES.get(shown.state, shown.state),
        events=job_events(ledger, shown),
        items=job_items(ledger, shown)[:MAX_ITEMS],
        message=job_message(ledger, shown.run_id, shown.job_id),
        meaning=meaning,
        remedy=remedy(meaning) if meaning and shown.state == "dead" else "",
        meaning_of=meaning_of,
    )
