"""Writes tables and the chart of the results into the documentation, between HTML comments."""

import re
from pathlib import Path

from benchmarks.peers import chart, report
from benchmarks.peers.environment import ROOT
from benchmarks.peers.results import Results

RESULTS = Path(__file__).with_name("results.json")
CHART = ROOT / "docs" / "images" / "peers.svg"
ALTERNATIVE = "Bars: jobs per second of Scrapeq and other queues, compared with a bare loop without a queue"


def sections(results: Results) -> dict[tuple[str, str], str]:
    """Return the text between the markers, by the file and the name of the markers."""
    picture = f"![{ALTERNATIVE}]({{}}docs/images/peers.svg)\n\n" if results.measurements else ""
    return {
        ("README.md", "peers"): picture.format("") + report.short_table(results),
        ("benchmarks/README.md", "peers-conditions"): report.conditions(results),
        ("benchmarks/README.md", "peers-rates"): picture.format("../") + report.rate_table(results),
        ("benchmarks/README.md", "peers-costs"): report.cost_table(results),
        ("benchmarks/README.md", "peers-pushes"): report.push_table(results) or report.NOT_MEASURED,
        ("docs/scale.md", "peers-scale"): report.scale_table(results),
    }


def publish(results: Results) -> None:
    """Write all sections and the chart."""
    for (name, marker), text in sections(results).items():
        write_section(name, marker, text)
    if results.measurements:
        CHART.write_text(chart.draw(results), encoding="utf-8")


def write_section(name: str, marker: str, text: str) -> None:
    """Write a text between the markers of a file, whose name is relative to the repository."""
    path = ROOT / name
    path.write_text(replace_section(path.read_text(encoding="utf-8"), marker, text), encoding="utf-8")


def section(page: str, marker: str) -> str:
    """Return the text between `<!-- marker -->` and `<!-- /marker -->`.

    Raises:
        ValueError: the page does not have the markers.
    """
    found = re.search(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", page, re.DOTALL)
    if not found:
        raise ValueError(f"the page has no markers named {marker}")
    return found[1]


def replace_section(page: str, marker: str, text: str) -> str:
    """Return the page with another text between the markers."""
    old = f"<!-- {marker} -->\n{section(page, marker)}\n<!-- /{marker} -->"
    return page.replace(old, f"<!-- {marker} -->\n{text}\n<!-- /{marker} -->")
