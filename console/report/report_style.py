"""The style sheet of a run's report, in addition to that of its charts. Pure."""

from typing import Final

from console.report.chart_style import CHART_CSS

REPORT_CSS: Final = f"""{CHART_CSS}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--chart-ink); background: var(--chart-background); overflow-wrap: anywhere; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }}
h2 {{ font-size: 1.15rem; margin: 2.5rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--chart-grid); }}
p {{ margin: .3rem 0; max-width: 48rem; }}
.note {{ color: var(--chart-muted); font-size: .9rem; }}
.alarm {{ color: var(--chart-red); font-weight: 600; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .8rem;
  margin: 1rem 0 .4rem;
  padding: 0; list-style: none; }}
.figures li {{ border: 1px solid var(--chart-grid); border-radius: 6px; padding: .5rem .7rem; }}
.figures b {{ display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }}
.figures span {{ color: var(--chart-muted); font-size: .85rem; }}
.charts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
  gap: 1.6rem; }}
.wide {{ overflow-x: auto; }}
.wide:focus-visible {{ outline: 2px solid var(--chart-blue); }}
.rows {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
.rows th, .rows td {{ text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; min-width: 4rem;
  border-bottom: 1px solid var(--chart-grid); }}
.rows td:not(:last-child) {{ overflow-wrap: break-word; }}
.rows thead th {{ color: var(--chart-muted); font-weight: 500; white-space: nowrap; }}
.rows tbody th {{ font-weight: 500; min-width: 7rem; }}
code {{ font: .85em ui-monospace, monospace; }}
@media print {{ h2 {{ break-after: avoid; }} }}
"""
