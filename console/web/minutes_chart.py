"""Draws the outcomes of the last minutes. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

from console.report.charts import outcomes_chart
from console.web.reads import Minute


def chart_of(minutes: Sequence[Minute]) -> Markup:
    """Return the chart of the attempts in each minute, by outcome, as HTML; the chart escapes its texts."""
    outcomes: dict[str, Sequence[int]] = {
        "succeeded": [minute.succeeded for minute in minutes],
        "retry": [minute.retried for minute in minutes],
        "failed": [minute.failed for minute in minutes],
    }
    return Markup(outcomes_chart([minute.at for minute in minutes], outcomes, 60.0))  # noqa: S704 - made of escaped texts
