"""Draws the attempts of the last minutes. Pure."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from console.ledger.run_overview import Throughput
from console.report.charts import outcomes_chart


def attempts_chart(steps: Sequence[Throughput], seconds: float) -> Markup:
    """Return the chart of the attempts in each step of time as HTML; the chart escapes its texts."""
    outcomes: dict[str, Sequence[int]] = {
        "succeeded": [step.succeeded for step in steps],
        "failed": [step.failed for step in steps],
    }
    if not any(map(any, outcomes.values())):
        outcomes = {}  # the chart says that there is no data, instead of an axis of nothing
    times = [datetime.fromisoformat(step.at) for step in steps]
    return Markup(outcomes_chart(times, outcomes, seconds))  # noqa: S704 - made of escaped texts
