"""Finds the commands in a Markdown text and checks whether their subcommands and options exist."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Protocol

FENCED = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|scrapeq) [^`\n]+)`")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in a text's `sh` blocks and inline code."""
    blocks = "\n".join(match[1] for match in FENCED.finditer(text)).replace("\\\n", " ")
    for line in [*blocks.splitlines(), *(match[1] for match in INLINE.finditer(text))]:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        yield from split(words)


def split(words: list[str]) -> Iterator[list[str]]:
    """Yield the commands of one line, without leading assignments of variables."""
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
        """The names of the parameter, for example `--limit`."""

    @property
    def secondary_opts(self) -> list[str]:
        """The names that switch the option off, for example `--no-limit`."""


class Command(Protocol):
    """A command, as click describes it; a group also has the attribute `commands`."""

    @property
    def params(self) -> Sequence[Parameter]:
        """The options and arguments of the command."""


def unknown_words(command: Command, arguments: list[str]) -> list[str]:
    """Return the words in `arguments` that are unknown subcommands or unknown options."""
    unknown = []
    for word in arguments:
        options = {
            name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]
        }
        options |= {"--help"}
        if word.startswith("-"):
            unknown += [] if word.split("=")[0] in options else [word]
        elif (inner := getattr(command, "commands", None)) is not None:
            if word not in inner:
                return [*unknown, word]
            command = inner[word]
    return unknown
