"""Runs the promises against each broker, and writes the table of docs/brokers.md.

Example: python -m tests.relay.conformance
"""

import re
import sys
import textwrap
from collections.abc import Generator, Mapping

import pytest

from tests.relay.brokers import COLUMNS
from tests.relay.promises import CELL, PROMISES
from tests.repository.tree import ROOT

TESTS = ROOT / "tests" / "relay" / "test_conformance.py"
PAGE = ROOT / "docs" / "brokers.md"
BEGIN, END = "<!-- promises -->", "<!-- /promises -->"
LINE_CHARACTERS = 140  #: longest line of the page
#: The drivers import localpubsub, which is also a plugin of pytest, before pytest can rewrite its assertions.
OPTIONS = ("-q", "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")


class Results:
    """A plugin of pytest that keeps how each test ended.

    Attributes:
        cells: for each promise and broker `✓`, `failed`, or `cannot` or `best effort` with the reason.
    """

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """See pytest."""
        report = yield
        marker, broker = item.get_closest_marker("promise"), getattr(item, "callspec", None)
        if marker is not None and broker is not None and (report.when == "call" or not report.passed):
            cell = str(dict(report.user_properties).get(CELL, "✓")) if report.passed else "failed"
            if report.skipped and isinstance(report.longrepr, tuple):
                cell = report.longrepr[2].removeprefix("Skipped: ")
            self.cells[marker.args[0], broker.params["broker"]] = cell
        return report


def table(cells: Mapping[tuple[str, str], str]) -> str:
    """Return the table in Markdown, and below it the reasons, to which the cells refer by their numbers."""
    reasons = list[str]()
    lines = [f"| promise | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for promise in PROMISES:
        row = [_numbered(cells.get((promise, broker), "not run"), reasons) for broker in COLUMNS]
        lines.append(f"| {promise} | {' | '.join(row)} |")
    notes = [_note(number, reason) for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", *notes] if notes else lines)


def _numbered(cell: str, reasons: list[str]) -> str:
    """Return a cell with the number of its reason instead of the reason, which is added if it is new."""
    word, _, reason = cell.partition(", because ")
    if not reason:
        return cell
    if reason not in reasons:
        reasons.append(reason)
    return f"{word} ({reasons.index(reason) + 1})"


def _note(number: int, reason: str) -> str:
    """Return a reason as an entry of a numbered list, whose URLs are links."""
    text = re.sub(r"https://[^\s,]+", r"<\g<0>>", reason[0].upper() + reason[1:])
    begin = f"{number}. "
    return textwrap.fill(
        f"{begin}{text}.",
        LINE_CHARACTERS,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def main() -> int:
    """Run the tests and write the table; return the exit status of pytest."""
    results = Results()
    status = pytest.main([*OPTIONS, str(TESTS)], plugins=[results])
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(results.cells)}\n{END}{after}", encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
