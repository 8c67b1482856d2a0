"""The screen of the dead letters: by reason and host, and one by one."""

from collections import Counter

from flask import Blueprint, render_template

from console.report.dead_letters import remedy
from console.report.tables import meaning_of
from console.web.context import argument, console_options
from contract.urls import host_of

SCREEN = Blueprint("dead_letters", __name__)
MAX_LISTED = 200


@SCREEN.get("/dead-letters")
def dead_letters() -> str:
    """Show the dead letters of a run, grouped by reason and host."""
    ledger = console_options().ledger
    runs = ledger.runs()
    run_id = ledger.resolve_run(argument("run") or None) if runs else ""
    dead = ledger.dead_jobs(run_id) if run_id else []
    groups = Counter((job.reason, _host(job.url), job.cause) for job in dead)
    reason, host, job_id = argument("reason"), argument("host"), argument("job")
    chosen = [
        job
        for job in dead
        if (not reason or (job.reason or "none") == reason)
        and (not host or _host(job.url) == host)
        and (not job_id or job.job_id == job_id)
    ]
    return render_template(
        "dead_letters.html",
        runs=runs[:200],
        run_id=run_id,
        groups=groups.most_common(100),
        reason=reason,
        host=host,
        job_id=job_id,
        chosen=chosen[:MAX_LISTED],
        count=len(chosen),
        meaning_of=meaning_of,
        remedy=remedy,
    )


def _host(url: str) -> str:
    try:
        return host_of(url)
    except ValueError:
        return ""
