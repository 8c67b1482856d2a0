"""The screen of the queue: its subscriptions, their settings and their backlog."""

from contextlib import suppress
from datetime import UTC, datetime
from math import inf

from flask import Blueprint, render_template

from console.errors import ConsoleError, LedgerError
from console.ledger.control_rows import ControlAct
from console.report.controls import pause_end, pauses_in_force
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
    paused = list[ControlAct]()
    with suppress(LedgerError):  # the queue can be shown without a ledger
        paused = pauses_in_force(console_options().ledger, datetime.now(UTC))
    return render_template(
        "queue.html",
        subscriptions=subscriptions,
        fault=fault,
        paused=[(act, _end(act)) for act in paused],
        durations=DURATIONS,
    )


def _end(act: ControlAct) -> datetime | None:
    """Return when a pause ends by itself; None if it does not."""
    end = pause_end(act)
    return None if end == inf else datetime.fromtimestamp(end, UTC)
