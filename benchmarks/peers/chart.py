"""Draws the chart of the rates as SVG, readable on a light and on a dark background. Pure."""

from html import escape

from benchmarks.peers.report import DELAYS, chart_systems, ratios_and_rates
from benchmarks.peers.results import Results
from benchmarks.peers.systems import BARE, SCRAPEQ, System

WIDTH, LABELS, PANEL, GAP = 860, 270, 280, 20  #: pixels: picture, names, one panel, between the panels
FIGURES = 110  #: pixels for the figures at the right of a panel
ROW, BAR, TOP, BOTTOM = 26, 14, 58, 12
#: GitHub shows the picture as an image, in which a browser applies the reader's colour scheme.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.bold { font-weight: 600 } .end { text-anchor: end }
.bar { fill: #8c959f } .ours { fill: #1a7f37 } .limit { stroke: #59636e; stroke-dasharray: 3 3 }
.spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 }
  .bar { fill: #656c76 } .ours { fill: #3fb950 } .limit { stroke: #9198a1 } .spread { stroke: #f0f6fc }
}
"""


def draw(results: Results) -> str:
    """Return an SVG with a row for each queue and a panel for each delay.

    A bar is as long as the median of the ratios to the bare loop; the line on it reaches from the smallest
    ratio to the largest, and the dashed line is the bare loop.
    """
    systems = chart_systems(results)
    height = TOP + ROW * len(systems) + BOTTOM
    found = {system.name: ratios_and_rates(results, system) for system in systems}
    longest = max((spread.high for cells in found.values() for spread, _ in cells.values()), default=1)
    unit = (PANEL - FIGURES) / max(longest, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Jobs per second of Scrapeq and other queues, compared with a bare loop</title>",
        f"<style>{STYLE}</style>",
    ]
    for number, delay in enumerate(DELAYS):
        x = LABELS + number * (PANEL + GAP)
        parts += _panel_head(x, unit, delay, height)
        for row, system in enumerate(systems):
            if cell := found[system.name].get(delay):
                spread, rate = cell
                y = TOP + ROW * row
                parts.append(_bar(x, y, unit * spread.median, "ours" if system.name == SCRAPEQ else "bar"))
                parts.append(_spread(x + unit * spread.low, x + unit * spread.high, y))
                figures = f"{rate:,.0f}/s, {spread.median:.2f} ×"
                parts.append(_text(x + PANEL, y + 12, figures, "small end"))
    parts += [_name(system, TOP + ROW * row) for row, system in enumerate(systems)]
    return "\n".join([*parts, "</svg>", ""])


def _panel_head(x: float, unit: float, delay: int, height: int) -> list[str]:
    line = x + unit
    return [
        _text(x, 18, f"pages of {delay} ms", "bold"),
        _text(x, 36, "jobs per second, and × the bare loop", "small"),
        f'<line class="limit" x1="{line:.1f}" x2="{line:.1f}" y1="{TOP - 12}" y2="{height - BOTTOM}"/>',
    ]


def _bar(x: float, y: float, length: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'


def _spread(left: float, right: float, y: float) -> str:
    middle = y + BAR / 2
    return f'<line class="spread" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'


def _name(system: System, y: float) -> str:
    kind = "bold" if system.name == SCRAPEQ else "small" if system.name == BARE else ""
    return _text(4, y + 12, system.title.replace("*", ""), kind)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
