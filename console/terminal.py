"""The screen: a live one where a terminal is, plain lines where none is (logs, pipes, CI)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Announce = Callable[[str], None]
PLAIN_PAUSE_SECONDS = 2.0  #: between two plain progress lines


def open_screen(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, no emoji, no guessed colours."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def is_live(screen: Console) -> bool:
    """Return whether lines can be redrawn: a terminal, and not a dumb one."""
    return screen.file.isatty() and not screen.is_dumb_terminal


def say(screen: Console, text: str = "") -> None:
    """Print text that the terminal may wrap, never we: addresses stay whole, last lines exact."""
    screen.print(text, soft_wrap=True)


def printable(text: str) -> str:
    """Return text from a page or a queue without what would steer the terminal."""
    spaced = (" " if character.isspace() else character for character in text)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in spaced
    )


@contextmanager
def steps(screen: Console) -> Iterator[Announce]:
    """Yield what announces steps: a spinner with the current one, or a line for each."""
    if is_live(screen):
        with screen.status("Starting") as status:
            yield lambda text: status.update(f"{text} …")
    else:
        yield lambda text: say(screen, f"{text} …")


@contextmanager
def progress(screen: Console, total: int) -> Iterator[Callable[[int, str], None]]:
    """Yield what shows progress (how many of the total, and words): a bar, or a line when it changes."""
    if not is_live(screen):
        yield _PlainProgress(screen, total).show
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task("", total=total, words="")
        yield lambda completed, words: bar.update(task, completed=completed, words=words)


class _PlainProgress:
    def __init__(self, screen: Console, total: int) -> None:
        self._screen = screen
        self._total = total
        self._shown = ""
        self._next = 0.0

    def show(self, completed: int, words: str) -> None:
        line = f"{completed} of {self._total}: {words}"
        if line != self._shown and (time.monotonic() >= self._next or completed == self._total):
            say(self._screen, line)
            self._shown, self._next = line, time.monotonic() + PLAIN_PAUSE_SECONDS
