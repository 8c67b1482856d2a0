"""The screen: a live one where a terminal is, plain lines where none is (logs, pipes, CI)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Announce = Callable[[str], None]
PLAIN_PAUSE_SECONDS = 2.0  #: between two plain progress lines


def open_terminal(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, no emoji, no guessed colours."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def is_interactive(terminal: Console) -> bool:
    """Return whether lines can be redrawn: a terminal, and not a dumb one."""
    return terminal.file.isatty() and not terminal.is_dumb_terminal


def print_line(terminal: Console, text: str = "") -> None:
    """Print text that the terminal may wrap, never we: addresses stay whole, last lines exact."""
    terminal.print(text, soft_wrap=True)


def printable(text: str) -> str:
    """Return text from a page or a queue without what would steer the terminal."""
    spaced = (" " if character.isspace() else character for character in text)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in spaced
    )


@contextmanager
def show_steps(terminal: Console) -> Iterator[Announce]:
    """Yield what announces steps: a spinner with the current one, or a line for each."""
    if is_interactive(terminal):
        with terminal.status("Starting") as status:
            yield lambda text: status.update(f"{text} …")
    else:
        yield lambda text: print_line(terminal, f"{text} …")


@contextmanager
def show_progress(terminal: Console, total: int) -> Iterator[Callable[[int, str], None]]:
    """Yield what shows progress (how many of the total, and words): a bar, or a line when it changes."""
    if not is_interactive(terminal):
        yield _PlainProgress(terminal, total).show
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task("", total=total, words="")
        yield lambda completed, words: bar.update(task, completed=completed, words=words)


class _PlainProgress:
    def __init__(self, terminal: Console, total: int) -> None:
        self._terminal = terminal
        self._total = total
        self._shown = ""
        self._next = 0.0

    def show(self, completed: int, words: str) -> None:
        line = f"{completed} of {self._total}: {words}"
        if line != self._shown and (time.monotonic() >= self._next or completed == self._total):
            print_line(self._terminal, line)
            self._shown, self._next = line, time.monotonic() + PLAIN_PAUSE_SECONDS
