"""The screen of the queue: its subscriptions, their settings and their backlog."""

from flask import Blueprint, render_template

from console.errors import StackNotRunningError
from console.ledger.control_rows import pauses
from console.web.context import console_options
from console.web.screens.controls import DURATIONS
from console.web.subscriptions import read_subscriptions

SCREEN = Blueprint("queue", __name__)


@SCREEN.get("/queue")
def queue() -> str:
    """Show the subscriptions of the stack."""
    try:
        subscriptions, fault = read_subscriptions(console_options())
    except StackNotRunningError as error:
        subscriptions, fault = [], str(error)
    ledger = console_options().ledger
    return render_template(
        "queue.html",
        subscriptions=subscriptions,
        fault=fault,
        paused=pauses(ledger) if ledger.path.exists() else [],
        durations=DURATIONS,
    )
