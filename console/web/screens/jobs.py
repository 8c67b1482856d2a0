"""The screens of the jobs of a run, and of one job."""

import flask
from flask import Blueprint, abort, render_template

from console.ledger.job_rows import find_jobs, job_events, job_items
from console.report.dead_letters import remedy
from console.report.job_history import STATES
from console.report.tables import meaning_of
from console.web.context import argument, console_options, page_number
from console.web.reads import JobFilter, job_message, job_page

SCREEN = Blueprint("jobs", __name__)


@SCREEN.get("/jobs")
def jobs() -> str:
    """List the jobs of a run that the filter selects."""
    ledger = console_options().ledger
    runs = ledger.runs()
    run_id = ledger.resolve_run(argument("run") or None) if runs else ""
    chosen = JobFilter(argument("state"), argument("reason"), argument("host"), argument("text"))
    page = page_number()
    found, has_more = job_page(ledger, run_id, chosen, page) if run_id else ([], False)
    return render_template(
        "jobs.html",
        runs=runs[:200],
        run_id=run_id,
        chosen=chosen,
        states=STATES,
        reasons=sorted({each.reason for each in ledger.failures(run_id)}) if run_id else [],
        found=found,
        page=page,
        has_more=has_more,
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
        items=job_items(ledger, shown)[:100],
        message=job_message(ledger, shown.run_id, shown.job_id),
        meaning=meaning,
        remedy=remedy(meaning) if meaning and shown.state == "dead" else "",
        meaning_of=meaning_of,
    )
