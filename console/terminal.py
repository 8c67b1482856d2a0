"""Prints to the terminal. Progress is redrawn in place on a terminal, and printed as lines elsewhere.

Texts of pages, messages and files are printed only by the functions and the table of this module, so that
they cannot control the terminal, and no password of a URL is shown.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contract.quoting import escape_unprintable, hide_userinfo

Announce = Callable[[str], None]
PLAIN_INTERVAL_SECONDS = 2.0  #: minimum number of seconds between two plain progress lines


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller handle the error; rich would exit with 1."""
        raise  # noqa: PLE0704 - rich calls this method while it handles the BrokenPipeError


def open_terminal(*, stderr: bool = False) -> Console:
    """Return a console that prints text unchanged: no markup, no emoji codes, no highlighting."""
    return _Terminal(stderr=stderr, markup=False, emoji=False, highlight=False)


def is_interactive(terminal: Console) -> bool:
    """Return whether lines can be redrawn: the output is a terminal, and TERM is not `dumb`."""
    return terminal.file.isatty() and not terminal.is_dumb_terminal


def print_line(terminal: Console, text: str = "", style: str = "") -> None:
    """Print lines without wrapping them: addresses stay whole, and programs can read the lines."""
    terminal.print("\n".join(map(printable, text.split("\n"))), style=style, soft_wrap=True)


def printable(text: str) -> str:
    """Return a text as one line: white space is a space, and characters that are not printed are escaped."""
    hidden = hide_userinfo(text)
    return escape_unprintable("".join(" " if character.isspace() else character for character in hidden))


def print_json(value: object) -> None:
    """Print a value as a line of JSON."""
    print_data(json_line(value))


def print_data(text: str) -> None:
    """Print a line for other programs as it is. It is not flushed, so that many lines are printed quickly."""
    sys.stdout.write(text + "\n")


def json_line(value: object) -> str:
    """Return a value as JSON on one line, in which characters that are not printed are escaped."""
    return escape_unprintable(json.dumps(value, ensure_ascii=False))


class TextTable(Table):
    """A table whose title and cells are texts, printed as by `printable`."""

    def __init__(self, *, title: str | None = None) -> None:
        shown = printable(title) if title else None
        super().__init__(
            box=box.SIMPLE_HEAD, title=shown, title_justify="left", title_style="", pad_edge=False
        )

    def add_texts(self, *cells: str) -> None:
        """Add a row."""
        self.add_row(*map(printable, cells))


@contextmanager
def show_steps(terminal: Console) -> Iterator[Announce]:
    """Yield a function that shows the current step: next to a spinner, or as a line for each step."""
    if is_interactive(terminal):
        with terminal.status("Starting") as status:
            yield lambda text: status.update(f"{printable(text)} …")
    else:
        yield lambda text: print_line(terminal, f"{text} …")


@contextmanager
def show_progress(terminal: Console, total: int) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that shows progress as a bar or as lines.

    Its arguments are the completed number, the total number, which may have grown, and a text.
    """
    if not is_interactive(terminal):
        yield _PlainProgress(terminal).show
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task("", total=total, text="")
        yield lambda completed, now, text: bar.update(
            task, completed=completed, total=now, text=printable(text)
        )


class _PlainProgress:
    """Prints a line when the progress has changed, at most one line per `PLAIN_INTERVAL_SECONDS`."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        self._shown = ""
        self._next_at = 0.0

    def show(self, completed: int, total: int, text: str) -> None:
        line = f"{completed} of {total}: {text}"
        if line != self._shown and (time.monotonic() >= self._next_at or completed == total):
            print_line(self._terminal, line)
            self._shown, self._next_at = line, time.monotonic() + PLAIN_INTERVAL_SECONDS


class ProgressLines:
    """Prints how far a task is to standard error, if it takes longer than `PLAIN_INTERVAL_SECONDS`.

    Args:
        title: what is done.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._next_at = time.monotonic() + PLAIN_INTERVAL_SECONDS

    def show(self, completed: int, total: int) -> None:
        """Print a line, at most one per `PLAIN_INTERVAL_SECONDS`."""
        if time.monotonic() >= self._next_at:
            print_line(open_terminal(stderr=True), f"{self._title}: {completed:,} of {total:,} …")
            self._next_at = time.monotonic() + PLAIN_INTERVAL_SECONDS
