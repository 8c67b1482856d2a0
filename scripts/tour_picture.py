"""Runs the tour of docs/tutorial/tour.md, and draws its commands with their output (`make tour-picture`)."""

import tempfile
from pathlib import Path
from typing import Final

from rich.text import Text

from scripts.demo_picture import SVG_FORMAT, recording_terminal
from scripts.guide_run import COLUMNS, ROOT, Ran, run_guide

GUIDE: Final = ROOT / "docs" / "tutorial" / "tour.md"
PICTURE: Final = ROOT / "docs" / "images" / "tour.svg"
MAX_LINES: Final = 16  #: maximum number of lines of one command in the picture


def draw(commands: list[Ran]) -> str:
    """Return an SVG of a terminal with commands and their output; a long output is cut."""
    terminal = recording_terminal(COLUMNS)
    for command in commands:
        terminal.print(Text.assemble(("$ ", "green"), (command.line, "bold")), soft_wrap=True)
        lines = [line for line in command.output.splitlines() if line.strip()]
        for line in lines[:MAX_LINES]:
            terminal.print(line[:COLUMNS], soft_wrap=True)
        if len(lines) > MAX_LINES:
            terminal.print(f"… {len(lines) - MAX_LINES} more lines", style="dim")
    return terminal.export_svg(title="A tour of scrapeq", code_format=SVG_FORMAT, unique_id="tour")


def main() -> None:
    """Run the tour on the default ports, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        ran = [each for each in run_guide(GUIDE, Path(folder)) if not each.line.endswith("&")]
        PICTURE.write_text(draw(ran), encoding="utf-8")


if __name__ == "__main__":
    main()
