"""The screens of what operators have done: all acts, and one of them."""

from flask import Blueprint, abort, render_template

from console.ledger.act_rows import ActRecord, act_records, act_rows
from console.report.controls import act_detail
from console.web.context import acts as started_acts
from console.web.context import argument, console_options

SCREEN = Blueprint("acts", __name__)
MAX_ACTS = 200
MAX_DROPPED = 200
MAX_RUNS = 200


@SCREEN.get("/acts")
def acts() -> str:
    """List what operators have done, the newest first."""
    ledger = console_options().ledger
    run_id = argument("run")
    return render_template(
        "acts.html",
        runs=ledger.runs()[:MAX_RUNS],
        run_id=ledger.resolve_run(run_id) if run_id else "",
        trail=act_rows(ledger, run_id or None, MAX_ACTS),
        max_acts=MAX_ACTS,
        act_detail=act_detail,
    )


@SCREEN.get("/acts/<act_id>")
def act(act_id: str) -> str:
    """Show an act: who has given it, when, with which filter, and what was recorded of it."""
    records = act_records(console_options().ledger, act_id)
    running = started_acts().find(act_id)
    if not records and running is None:
        abort(404, f"The ledger has no act {act_id[:64]}. A new one is there within seconds.")
    commands = [each for each in records if not each.is_of_dead_letter]
    dropped = [each for each in records if each.is_of_dead_letter]
    return render_template(
        "act.html",
        act_id=act_id[:64],
        first=next(iter([*commands, *records]), None),
        commands=commands,
        dropped=dropped[:MAX_DROPPED],
        dropped_count=len(dropped),
        running=running,
        counts=_counts(commands),
        act_detail=act_detail,
    )


def _counts(commands: list[ActRecord]) -> int | None:
    """Return the number of jobs that the last record has; None if no record has one."""
    known = [each.jobs for each in commands if each.jobs is not None]
    return known[-1] if known else None
