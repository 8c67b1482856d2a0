"""Keeps the whole system busy, and checks that memory, descriptors and threads of its processes stay flat.

Example: python -m tests.journey.soak --minutes 20
"""

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from console.terminal import TextTable, open_terminal, print_line
from tests.journey.chaos.campaign import source_version
from tests.journey.soak.picture import KINDS, picture
from tests.journey.soak.records import RECORD
from tests.journey.soak.run import SERVICES, Soak, soak
from tests.journey.soak.trend import Trend, trend_of
from tests.repository import reference_pages
from tests.repository.tree import ROOT

PICTURE = ROOT / "docs" / "images" / "soak.svg"


def main(arguments: list[str] | None = None) -> int:
    """Run the soak; return 1 if something grows or a job is lost, and 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    terminal = open_terminal()
    if sys.platform != "linux":
        print_line(terminal, "The soak reads /proc, which only Linux has.")
        return 2

    def show(seconds: float, ended: int) -> None:
        print_line(terminal, f"{seconds / 60:.1f} of {options.minutes:g} minutes, {ended:,} jobs have ended")

    try:
        with tempfile.TemporaryDirectory(prefix="scrapeq-soak-", ignore_cleanup_errors=True) as directory:
            measured = soak(Path(directory), options.minutes, options.interval, options.wave, show)
    except KeyboardInterrupt:
        print_line(terminal, "Stopped; nothing is recorded.")
        return 130
    is_flat = _show(measured, terminal)
    if options.record:
        PICTURE.write_text(picture(measured) + "\n", encoding="utf-8")
        RECORD.write_text(json.dumps(record_of(measured, options.minutes), indent=1) + "\n", encoding="utf-8")
        reference_pages.write()
    return int(not is_flat or measured.lost > 0)


def record_of(measured: Soak, minutes: float) -> dict[str, object]:
    """Return what docs/guarantees.md shows of a soak."""
    return {
        "minutes": minutes,
        "jobs": measured.jobs,
        "lost": measured.lost,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "version": source_version(),
        "services": {
            name: {kind: _numbers(trend_of(kind, measured.series(kind)[name])) for kind in KINDS}
            for name in SERVICES
        },
    }


def _numbers(trend: Trend) -> dict[str, float]:
    return {"median": round(trend.middle, 1), "growth": round(trend.growth, 1)}


def _show(measured: Soak, terminal: Console) -> bool:
    table = TextTable()
    for column in ("service", "resource", "median", "growth", "allowed", "verdict"):
        table.add_column(column)
    is_flat = True
    for kind in KINDS:
        for name, values in measured.series(kind).items():
            trend = trend_of(kind, values)
            is_flat &= trend.is_flat
            numbers = (f"{number:.1f}" for number in trend)
            table.add_texts(name, kind, *numbers, "flat" if trend.is_flat else "GROWS")
    terminal.print(table)
    print_line(terminal, f"{measured.jobs:,} jobs have ended, {measured.lost} have not")
    return is_flat


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.journey.soak",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, default=20.0, help="how long jobs are dispatched (default: %(default)s)")
    add("--interval", type=float, default=10.0, help="seconds between measurements (default: %(default)s)")
    add("--wave", type=int, default=500, help="jobs that are dispatched at a time (default: %(default)s)")
    add("--record", action="store_true", help="record the result and its picture in docs/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
