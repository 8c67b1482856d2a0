"""Runs the commands of a guide in a folder, as its reader does."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from scripts.guide_steps import SavedFile, steps

ROOT: Final = Path(__file__).parents[1]
COLUMNS: Final = 110
SITE_PORT: Final = "8090"  #: port of the demo's site in the guides
#: Lines of the guides that are not run: the environment is active.
SKIPPED: Final = frozenset({". .venv/bin/activate"})
WATCHING: Final = "Waiting until"  #: what `scrapeq try --watch` prints when it waits for a change
POLL_SECONDS: Final = 0.05  #: pause between two looks whether a background command is ready
OUTPUT: Final = "background-{}.txt"  #: file that has the output of a background command, by its number


class Ran(NamedTuple):
    """A command of a guide, with what it printed and its exit status."""

    line: str
    output: str
    status: int


def run_guide(
    guide: Path, folder: Path, ports: tuple[str, ...] = (), site_port: str = SITE_PORT
) -> Iterator[Ran]:
    """Run the commands of a guide in a folder, and yield each when it has ended.

    A command that ends with `&` or has `--watch` runs beside the following ones, from when it is ready. It is
    interrupted after the last of them, as by Ctrl-C, and yielded then.

    Args:
        guide: the guide.
        folder: an empty directory.
        ports: further options of `scrapeq up`.
        site_port: port of the demo's site, instead of that of the guide.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "SCRAPEQ_DATA": ".scrapeq"}
    environment |= {"PYTHONUNBUFFERED": "1"}
    environment.pop("PUBSUB_EMULATOR_HOST", None)
    background = dict[str, subprocess.Popen[bytes]]()
    try:
        for step in steps(guide.read_text(encoding="utf-8")):
            if isinstance(step, SavedFile):
                (folder / step.name).write_text(step.text.replace(SITE_PORT, site_port), encoding="utf-8")
            elif step.line not in SKIPPED:
                words = _words(step.line.replace(SITE_PORT, site_port), ports)
                if words[-1] in {"&", "--watch"}:
                    output = folder / OUTPUT.format(len(background))
                    background[step.line] = _in_background(words, folder, environment, output)
                    while background[step.line].poll() is None and not _is_ready(words, output, site_port):
                        time.sleep(POLL_SECONDS)
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
        for process in background.values():
            process.send_signal(signal.SIGINT)
        statuses = [process.wait() for process in background.values()]
    for number, (line, status) in enumerate(zip(background, statuses, strict=True)):
        yield Ran(line, (folder / OUTPUT.format(number)).read_text(encoding="utf-8"), status)


def _in_background(
    words: list[str], folder: Path, environment: dict[str, str], output: Path
) -> subprocess.Popen[bytes]:
    """Start a command whose output goes to a file; it is not waited for."""
    words = words[:-1] if words[-1] == "&" else words
    with output.open("wb") as file:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=file, stderr=file)  # noqa: S603 - a command of the guide


def _is_ready(words: list[str], output: Path, site_port: str) -> bool:
    """Return whether a background command is ready: `--watch` waits for a change, and the site answers."""
    if words[-1] == "--watch":
        return WATCHING in output.read_text(encoding="utf-8")
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(site_port))):
        return True
    return False


def _words(line: str, ports: tuple[str, ...]) -> list[str]:
    words = shlex.split(line)
    if words[0] == "scrapeq":
        extra = ports if words[1] == "up" else ()
        return [sys.executable, "-m", "console", *words[1:], *extra]
    return [sys.executable, *words[1:]] if words[0] == "python" else words
