"""The commands that a Markdown text shows, and whether the command line knows them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Protocol

FENCED = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


INLINE = re.compile(r"`((?:make|scrapeq) [^`\n]+)`")


def commands(text: str) -> Iterator[list[str]]:
    """Yield every command line of a text's `sh` blocks and inline code, as words."""
    blocks = "\n".join(match[1] for match in FENCED.finditer(text)).replace("\\\n", " ")
    for line in [*blocks.splitlines(), *(match[1] for match in INLINE.finditer(text))]:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        yield from split(words)


def split(words: list[str]) -> Iterator[list[str]]:
    """Yield the commands of one line, without leading assignments."""
    command: list[str] = []
    for word in [*words, ";"]:
        if word in {"&&", "||", "|", ";", "&"}:
            if command:
                yield command
            command = []
        elif command or not re.match(r"[A-Z_]+=", word):
            command.append(word)


class Parameter(Protocol):
    """An option or argument, as click describes it."""

    @property
    def opts(self) -> list[str]:
        """Its names, as `--limit`."""

    @property
    def secondary_opts(self) -> list[str]:
        """The names that switch it off, as `--no-limit`."""


class Command(Protocol):
    """A command, as click describes it; a group has `commands` too."""

    @property
    def params(self) -> Sequence[Parameter]:
        """Its options and arguments."""


def misunderstood(command: Command, arguments: list[str]) -> list[str]:
    """Return the words that are neither subcommands nor options of theirs."""
    wrong = []
    for word in arguments:
        options = {
            name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]
        }
        options |= {"--help"}
        if word.startswith("-"):
            wrong += [] if word.split("=")[0] in options else [word]
        elif (inner := getattr(command, "commands", None)) is not None:
            if word not in inner:
                return [*wrong, word]
            command = inner[word]
    return wrong
