"""Makes the README's picture: runs `scrapeq demo` and draws its final screen as an SVG (`make picture`)."""

import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from console.demo.run import run_demo, show_run
from console.ledger.ledger import Ledger
from console.terminal import print_line

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
COLUMNS = 86  #: width of the terminal in the picture


def main() -> int:
    """Run the demo and write the picture; return the demo's exit status."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        status = run_demo(data, Console())
        ledger = Ledger(data)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(draw(ledger), encoding="utf-8")
    return status


def draw(ledger: Ledger) -> str:
    """Return the final screen of the demo whose run is in `ledger`, as an SVG."""
    terminal = Console(
        file=io.StringIO(),
        record=True,
        width=COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
    )
    terminal.print(Text.assemble(("$ ", "green"), ("scrapeq demo", "bold")))
    run_id = ledger.resolve_run(None)
    accounting = ledger.accounting(run_id)
    print_line(terminal, f"Run {run_id}: {accounting.dispatched} jobs, from a sitemap.")
    show_run(ledger, run_id, terminal)
    print_line(terminal, str(accounting), "bold green")
    return terminal.export_svg(title="scrapeq demo", unique_id="demo")


if __name__ == "__main__":
    sys.exit(main())
