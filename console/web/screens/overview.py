"""The first screen: what waits, what is done, and whether all is accounted for."""

from datetime import UTC, datetime, timedelta

from flask import Blueprint, render_template
from markupsafe import Markup

from console.ledger.run_overview import queue_summary, throughput
from console.ledger.run_rows import run_summaries
from console.report.charts import sparkline
from console.report.controls import pauses_with_ends
from console.web.context import console_options
from console.web.cost_today import CostReader
from console.web.minutes_chart import attempts_chart

SCREEN = Blueprint("overview", __name__)
MAX_RUNS = 8
MINUTES = 10
STEP_SECONDS = 20
_COSTS = CostReader()


@SCREEN.get("/")
def overview() -> str:
    """Show the state of all runs."""
    ledger, now = console_options().ledger, datetime.now(UTC)
    steps = throughput(ledger, now - timedelta(minutes=MINUTES), STEP_SECONDS, now=now)
    summary = queue_summary(ledger, now)
    return render_template(
        "overview.html",
        runs=run_summaries(ledger, MAX_RUNS),
        total=summary.accounting,
        summary=summary,
        paused=pauses_with_ends(ledger, now),
        cost=_COSTS.read(ledger, now),
        minutes=MINUTES,
        succeeded=sum(step.succeeded for step in steps),
        ended=sum(step.succeeded + step.failed for step in steps),
        sparkline=Markup(  # noqa: S704 - made of escaped texts
            sparkline([step.succeeded + step.failed for step in steps], "Attempts of ten minutes")
        ),
        chart=attempts_chart(steps, STEP_SECONDS),
    )
