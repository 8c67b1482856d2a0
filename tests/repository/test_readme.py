"""The commands that the README shows exist, with the options it shows."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest
import typer

from console.cli.commands import app
from tests.repository.tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|scrapeq) [^`\n]+)`")
TARGET = re.compile(r"^([a-z][\w.-]*)\s*:(?!=)", re.MULTILINE)


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


def named(program: str) -> list[list[str]]:
    """Return the arguments of each use of `program` in the README."""
    return [words[1:] for words in commands(README) if words[0].rsplit("/", 1)[-1] == program]


def targets_of(arguments: list[str]) -> list[str]:
    """Return the targets among make's arguments."""
    return [word for word in arguments if not word.startswith("-") and "=" not in word]


MAKE_TARGETS = sorted({target for arguments in named("make") for target in targets_of(arguments)})
SCRAPEQ = sorted({tuple(arguments) for arguments in named("scrapeq")})


def test_the_readme_shows_how_to_begin() -> None:
    """One command to see it run, one to know whether it is well."""
    assert {"demo", "check"} <= set(MAKE_TARGETS)
    assert SCRAPEQ


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    """What the README tells to make can be made."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert target in TARGET.findall(makefile)


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_make_help_names_it(target: str) -> None:
    """Whoever forgot the README asks the Makefile."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert re.search(rf"^\s*(?:make )?{re.escape(target)}\b", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", SCRAPEQ, ids=" ".join)
def test_a_scrapeq_command_of_the_readme_exists_with_its_options(arguments: tuple[str, ...]) -> None:
    """What the README tells to type is understood."""
    assert misunderstood(typer.main.get_command(app), list(arguments)) == []


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


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["no-such-command"], ["no-such-command"]),
        (["--no-such-option"], ["--no-such-option"]),
        (["--help"], []),
    ],
)
def test_what_does_not_exist_is_seen(arguments: list[str], wrong: list[str]) -> None:
    """The check itself can fail."""
    assert misunderstood(typer.main.get_command(app), arguments) == wrong


def test_commands_are_read_as_people_write_them() -> None:
    """Prompts, comments, continued lines, assignments, chains and inline code."""
    text = "```sh\n$ A=1 make demo && make up  # look\nscrapeq \\\n  status\n```\nor `make test`; not `x`"
    assert list(commands(text)) == [["make", "demo"], ["make", "up"], ["scrapeq", "status"], ["make", "test"]]
