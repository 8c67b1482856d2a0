"""Makes the README's picture: runs `scrapeq demo` and draws its last screen as an SVG (`make picture`)."""

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
#: Template of the SVG, for `Console.export_svg`. The template of rich loads its font from another host; this
#: one uses a font of the reader's system, so that the picture needs no network.
SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    .{unique_id}-title {{
        font-size: 18px;
        font-weight: bold;
        font-family: sans-serif;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def main() -> int:
    """Run the demo and write the picture; return the demo's exit status."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        status = run_demo(data, Console())
        ledger = Ledger(data)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(draw(ledger), encoding="utf-8")
    return status


def recording_terminal(columns: int) -> Console:
    """Return a terminal that records what is printed, to be drawn."""
    return Console(
        file=io.StringIO(),
        record=True,
        width=columns,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
    )


def draw(ledger: Ledger) -> str:
    """Return an SVG with the last screen of the demo whose run is in `ledger`."""
    terminal = recording_terminal(COLUMNS)
    terminal.print(Text.assemble(("$ ", "green"), ("scrapeq demo", "bold")))
    run_id = ledger.resolve_run(None)
    accounting = ledger.accounting(run_id)
    print_line(terminal, f"Run {run_id}: {accounting.dispatched} jobs, from a sitemap.")
    show_run(ledger, run_id, terminal)
    print_line(terminal, str(accounting), "bold green")
    return terminal.export_svg(title="scrapeq demo", code_format=SVG_FORMAT, unique_id="demo")


if __name__ == "__main__":
    sys.exit(main())
