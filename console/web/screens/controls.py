"""Cancels a run, and pauses and resumes a run, a host or everything, as the commands of these names do."""

from datetime import UTC, datetime
from math import inf

import flask
from flask import Blueprint, abort, flash, redirect, request, url_for

from console.controls.cancel import BOUND_SECONDS, cancel, has_ended
from console.controls.operator_queue import OperatorQueue
from console.controls.pause import Target, pause, resume
from console.controls.queue import open_queue
from console.errors import ConsoleError, StackNotRunningError
from console.ledger.ledger import Ledger
from console.stack.stack_file import running_stack
from console.web.context import console_options, operator

SCREEN = Blueprint("controls", __name__)
#: Durations of a pause that the forms offer, in seconds; 0 is a pause without an end.
DURATIONS = {"10 minutes": 600, "1 hour": 3600, "1 day": 86_400, "until it is resumed": 0}


@SCREEN.post("/controls/cancel")
def cancel_run() -> flask.typing.ResponseReturnValue:
    """Cancel a run."""
    ledger = console_options().ledger
    run_id = ledger.resolve_run(request.form.get("run", ""))
    if has_ended(ledger, run_id):
        flash(f"Run {run_id} has ended: no job of it is in flight, so nothing was cancelled.", "warn")
        return redirect(url_for("run.run", run_id=run_id), 303)
    in_flight = ledger.accounting(run_id).in_flight
    try:
        with open_queue(console_options().address) as queue:
            cancel(queue, run_id, operator(), in_flight=in_flight)
        flash(f"Run {run_id} is cancelled: no further request begins after {BOUND_SECONDS} s.", "done")
        _link_act(queue)
    except ConsoleError as error:
        flash(str(error), "failed")
    return redirect(url_for("run.run", run_id=run_id), 303)


@SCREEN.post("/controls/pause")
def pause_target() -> flask.typing.ResponseReturnValue:
    """Pause a run, a host or everything."""
    options, target = console_options(), _target(console_options().ledger)
    name = request.form.get("duration", "until it is resumed")
    if name not in DURATIONS:
        abort(422, f"The durations are: {', '.join(DURATIONS)}.")
    seconds = float(DURATIONS[name]) or inf
    try:
        with open_queue(options.address) as queue:
            end = pause(queue, options.ledger, target, inf if target.is_all else seconds, operator())
        text = f"{target} is paused: no further request begins after {BOUND_SECONDS} s."
        if end.until != inf:
            at = datetime.fromtimestamp(end.until, UTC)
            why = ", before a job could become a dead letter of it" if end.is_limited else ""
            text += f" The pause ends by itself at {at:%Y-%m-%d %H:%M:%S} UTC{why}."
        flash(text, "done")
        _link_act(queue)
    except ConsoleError as error:
        flash(str(error), "failed")
    return _back(target)


@SCREEN.post("/controls/resume")
def resume_target() -> flask.typing.ResponseReturnValue:
    """End the pause of a run, a host or everything."""
    options, target = console_options(), _target(console_options().ledger)
    try:
        with open_queue(options.address) as queue:
            is_resumed = resume(queue, options.ledger, target, operator(), _worker_url())
        flash(f"{target} is resumed." if is_resumed else f"{target} was not paused.", "done")
        _link_act(queue)
    except ConsoleError as error:
        flash(str(error), "failed")
    return _back(target)


def _link_act(queue: OperatorQueue) -> None:
    """Add to the messages of the next screen a link to the act that was recorded, if one was."""
    for act_id in queue.recorded[-1:]:
        flash(act_id, "act")


def _target(ledger: Ledger) -> Target:
    """Return what the form names: a run, a host, or everything, which must be said."""
    run_id, host = request.form.get("run", ""), request.form.get("host", "").strip().lower()
    if run_id:
        return Target(run_id=ledger.resolve_run(run_id))
    if host:
        return Target(host=host[:253])
    if request.form.get("everything") != "1":
        abort(422, "Name a run or a host, or choose everything.")
    return Target()


def _back(target: Target) -> flask.typing.ResponseReturnValue:
    if target.run_id is not None:
        return redirect(url_for("run.run", run_id=target.run_id), 303)
    return redirect(url_for("queue.queue"), 303)


def _worker_url() -> str:
    """Return the URL of the running stack's worker, which may differ from that before the pause.

    A deployment keeps the push configuration from before the pause, whatever runs on this machine.
    """
    if not console_options().address.is_local:
        return ""
    try:
        return f"{running_stack(console_options().data).addresses.worker_url}/"
    except StackNotRunningError:
        return ""
