"""The screen of the queue: its subscriptions, their settings and their backlog."""

from contextlib import suppress

from flask import Blueprint, render_template

from console.errors import ConsoleError, LedgerError
from console.ledger.control_rows import ControlAct, pauses
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
        paused = pauses(console_options().ledger)
    return render_template(
        "queue.html",
        subscriptions=subscriptions,
        fault=fault,
        paused=paused,
        durations=DURATIONS,
    )
