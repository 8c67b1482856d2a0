"""The first screen: what waits, what is done, and whether all is accounted for."""

from flask import Blueprint, render_template

from console.ledger.run_rows import run_summaries
from console.web.context import console_options
from console.web.minutes_chart import chart_of
from console.web.reads import now, throughput

SCREEN = Blueprint("overview", __name__)
MAX_RUNS = 8
MINUTES = 10


@SCREEN.get("/")
def overview() -> str:
    """Show the state of all runs."""
    ledger = console_options().ledger
    runs = run_summaries(ledger, MAX_RUNS)
    minutes = throughput(ledger, MINUTES, now())
    ended = [minute.succeeded + minute.retried + minute.failed for minute in minutes]
    return render_template(
        "overview.html",
        runs=runs,
        total=ledger.accounting(),
        minutes=minutes,
        ended=sum(ended),
        succeeded=sum(minute.succeeded for minute in minutes),
        chart=chart_of(minutes),
    )
