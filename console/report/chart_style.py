"""The style sheet of the charts. A page has it once; the charts have no styles of their own. Pure.

So a page may have a Content-Security-Policy without `unsafe-inline`. Colours follow `color-scheme`, which is
the system's setting, or that of the page. Each colour of a mark has a contrast of at least 3 to 1 to the
background (https://www.w3.org/WAI/WCAG22/Understanding/non-text-contrast.html), and the colours can be told
apart by people who do not see red and green.
"""

from typing import Final

#: Colour of each mark, on a light and on a dark background.
COLOURS: Final = {
    "background": ("#ffffff", "#14181d"),
    "ink": ("#1c2430", "#e8edf2"),
    "muted": ("#5a6675", "#9aa7b5"),
    "grid": ("#dfe4ea", "#2c343d"),
    "blue": ("#0b62a8", "#5cb3f0"),
    "green": ("#0a7d5a", "#2fc796"),
    "amber": ("#b26a00", "#f0b03f"),
    "red": ("#b3261e", "#ff8a73"),
    "violet": ("#7a4bb5", "#c39bf5"),
    "grey": ("#6b7683", "#93a0ad"),
}
#: Colour of each series, in the order in which they are drawn if the name says nothing.
SERIES_COLOURS: Final = ("blue", "amber", "green", "violet", "red", "grey")
#: Colour of an outcome or of a final state of a job.
OUTCOME_COLOURS: Final = {
    "succeeded": "green",
    "retry": "amber",
    "retrying": "amber",
    "failed": "red",
    "dead": "red",
    "crashed": "violet",
    "unreadable": "violet",
    "unauthenticated": "violet",
    "cancelled": "grey",
    "dropped": "grey",
    "replaced": "grey",
    "queued": "blue",
    "in flight": "blue",
}

_VARIABLES = "\n".join(
    f"  --chart-{name}: light-dark({light}, {dark});" for name, (light, dark) in COLOURS.items()
)
_MARKS = "\n".join(
    f".chart .{name} {{ --mark: var(--chart-{name}); }}"
    for name in COLOURS
    if name in {*SERIES_COLOURS, *OUTCOME_COLOURS.values()}
)

CHART_CSS: Final = f""":root {{
  color-scheme: light dark;
{_VARIABLES}
}}
.chart {{ margin: 0; color: var(--chart-ink); }}
.chart svg {{ display: block; width: 100%; overflow: visible; }}
.chart.sparkline svg {{ display: inline-block; width: 120px; vertical-align: middle; }}
.chart figcaption {{ font-weight: 600; margin-bottom: .4rem; }}
.chart figcaption small {{ font-weight: 400; color: var(--chart-muted); }}
.chart text {{ font: 12px system-ui, sans-serif; fill: var(--chart-muted); }}
.chart text.halo {{ paint-order: stroke; stroke: var(--chart-background); stroke-width: 3px;
  stroke-linejoin: round; }}
.chart text.name {{ fill: var(--chart-ink); }}
.chart .end {{ text-anchor: end; }}
.chart .middle {{ text-anchor: middle; }}
.chart .grid {{ stroke: var(--chart-grid); stroke-width: 1px; }}
.chart .line {{ fill: none; stroke: var(--mark); stroke-width: 2px; stroke-linejoin: round;
  stroke-linecap: round; vector-effect: non-scaling-stroke; }}
.chart .second {{ stroke-dasharray: 5 4; }}
.chart .area {{ fill: var(--mark); opacity: .14; }}
.chart .bar {{ fill: var(--mark); }}
.chart .dot {{ fill: var(--mark); stroke: var(--chart-background); stroke-width: 1px; }}
.chart .track {{ fill: var(--chart-grid); }}
.chart .before {{ stroke: var(--chart-ink); stroke-width: 2px; }}
{_MARKS}
.chart ul {{ display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; margin: .4rem 0 0; padding: 0;
  font-size: .8rem; }}
.chart li svg {{ display: inline-block; width: 1rem; height: .7rem; margin-right: .35rem;
  vertical-align: baseline; }}
.chart details {{ font-size: .8rem; margin-top: .4rem; color: var(--chart-muted); }}
.chart details div {{ overflow-x: auto; max-height: 20rem; }}
.chart summary {{ cursor: pointer; }}
.chart table {{ border-collapse: collapse; color: var(--chart-ink); }}
.chart th, .chart td {{ padding: .1rem .8rem .1rem 0; text-align: right;
  font-variant-numeric: tabular-nums; }}
.chart th:first-child, .chart td:first-child {{ text-align: left; }}
@media print {{ .chart {{ break-inside: avoid; }} .chart details {{ display: none; }} }}
"""
