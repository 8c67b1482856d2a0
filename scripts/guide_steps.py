"""Reads the files and commands of a guide in their order."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_STEP: Final = re.compile(
    r"Save this as `(?P<name>[\w.]+)`.*?```yaml\n(?P<text>.*?)```|```sh\n(?P<commands>.*?)```", re.DOTALL
)


class SavedFile(NamedTuple):
    """A file that the reader saves."""

    name: str
    text: str


class Command(NamedTuple):
    """A line that the reader runs."""

    line: str


def steps(guide: str) -> Iterator[SavedFile | Command]:
    """Yield what the reader of a guide saves and runs, in the order of the page."""
    for match in _STEP.finditer(guide):
        if match["name"]:
            yield SavedFile(match["name"], match["text"])
        else:
            yield from map(Command, match["commands"].splitlines())
