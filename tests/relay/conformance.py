"""Runs the promises against each broker, and writes the table of docs/brokers.md.

Example: python -m tests.relay.conformance
"""

import sys
from collections.abc import Generator, Mapping

import pytest

from tests.relay.brokers import BROKERS
from tests.relay.promises import PROMISES
from tests.repository.tree import ROOT

TESTS = ROOT / "tests" / "relay" / "test_conformance.py"
PAGE = ROOT / "docs" / "brokers.md"
BEGIN, END = "<!-- promises -->", "<!-- /promises -->"


class Results:
    """A plugin of pytest that keeps how each test ended.

    Attributes:
        cells: for each promise and broker `✓`, the reason why the broker cannot keep it, or `failed`.
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
            cell = "✓" if report.passed else "failed"
            if report.skipped and isinstance(report.longrepr, tuple):
                cell = report.longrepr[2].removeprefix("Skipped: ")
            self.cells[marker.args[0], broker.params["broker"]] = cell
        return report


def table(cells: Mapping[tuple[str, str], str]) -> str:
    """Return the table in Markdown."""
    lines = [f"| promise | {' | '.join(BROKERS)} |", "|---|" + "---|" * len(BROKERS)]
    for promise in PROMISES:
        row = [cells.get((promise, broker), "not run") for broker in BROKERS]
        lines.append(f"| {promise} | {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the tests and write the table; return the exit status of pytest."""
    results = Results()
    status = pytest.main(["-q", str(TESTS)], plugins=[results])
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(results.cells)}\n{END}{after}", encoding="utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
