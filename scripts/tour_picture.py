"""Runs the tour of docs/tutorial/tour.md, and draws its commands with their output (`make tour-picture`)."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from rich.text import Text

from scripts.demo_picture import SVG_FORMAT, recording_terminal
from scripts.guide_steps import SavedFile, steps

ROOT: Final = Path(__file__).parents[1]
GUIDE: Final = ROOT / "docs" / "tutorial" / "tour.md"
PICTURE: Final = ROOT / "docs" / "images" / "tour.svg"
COLUMNS: Final = 110
SITE_PORT: Final = "8090"  #: port of the demo's site in the guide
MAX_LINES: Final = 16  #: maximum number of lines of one command in the picture
#: Lines of the guide that are not run: the environment is active.
SKIPPED: Final = frozenset({". .venv/bin/activate"})


class Ran(NamedTuple):
    """A command of the tour, with what it printed and its exit status."""

    line: str
    output: str
    status: int


def run_tour(folder: Path, ports: tuple[str, ...] = (), site_port: str = SITE_PORT) -> Iterator[Ran]:
    """Run the commands of the guide in a folder, and yield each when it has ended.

    Args:
        folder: an empty directory.
        ports: further options of `scrapeq up`.
        site_port: port of the demo's site, instead of that of the guide.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "SCRAPEQ_DATA": ".scrapeq"}
    environment.pop("PUBSUB_EMULATOR_HOST", None)
    background = list[subprocess.Popen[bytes]]()
    try:
        for step in steps(GUIDE.read_text(encoding="utf-8")):
            if isinstance(step, SavedFile):
                (folder / step.name).write_text(step.text.replace(SITE_PORT, site_port), encoding="utf-8")
            elif step.line not in SKIPPED:
                words = _words(step.line.replace(SITE_PORT, site_port), ports)
                if words[-1] == "&":
                    background.append(_in_background(words[:-1], folder, environment))
                    continue
                done = subprocess.run(  # noqa: S603 - a command of the guide
                    words,
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=240,
                    check=False,
                )
                yield Ran(step.line, done.stdout + done.stderr, done.returncode)
    finally:
        for process in background:
            process.terminate()
            process.wait()


def _in_background(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=nowhere, stderr=nowhere)  # noqa: S603 - a command of the guide


def _words(line: str, ports: tuple[str, ...]) -> list[str]:
    words = shlex.split(line)
    if words[0] == "scrapeq":
        extra = ports if words[1] == "up" else ()
        return [sys.executable, "-m", "console", *words[1:], *extra]
    return [sys.executable, *words[1:]] if words[0] == "python" else words


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
        PICTURE.write_text(draw(list(run_tour(Path(folder)))), encoding="utf-8")


if __name__ == "__main__":
    main()
