"""The screen of the queue: its subscriptions, their settings and their backlog."""

from contextlib import suppress
from datetime import UTC, datetime

from flask import Blueprint, render_template

from console.errors import ConsoleError, LedgerError
from console.ledger.control_rows import ControlAct
from console.report.controls import pauses_with_ends
from console.web.context import console_options
from console.web.screens.controls import DURATIONS
from console.web.subscriptions import read_subscriptions

SCREEN = Blueprint("queue", __name__)


@SCREEN.get("/queue")
def queue() -> str:
    """Show the subscriptions of the stack."""
    try:
        subscriptions, fault = read_subscriptions(console_options())
    except ConsoleError as error:
        subscriptions, fault = [], str(error)
    paused = list[tuple[ControlAct, datetime | None]]()
    with suppress(LedgerError):  # the queue can be shown without a ledger
        paused = pauses_with_ends(console_options().ledger, datetime.now(UTC))
    return render_template(
        "queue.html",
        subscriptions=subscriptions,
        fault=fault,
        paused=paused,
        all_paused=any(not act.run_id and not act.host for act, _ in paused),
        durations=DURATIONS,
    )
