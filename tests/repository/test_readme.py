"""Tests that the commands and options in the README exist."""

import re
import subprocess

import pytest
import typer

from console.cli.commands import app
from tests.repository.documented_commands import commands, unknown_words
from tests.repository.tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGET = re.compile(r"^([a-z][\w.-]*)\s*:(?!=)", re.MULTILINE)


def uses_of(program: str) -> list[list[str]]:
    """Return the arguments of each use of `program` in the README."""
    return [words[1:] for words in commands(README) if words[0].rsplit("/", 1)[-1] == program]


def targets_of(arguments: list[str]) -> list[str]:
    """Return the targets among make's arguments."""
    return [word for word in arguments if not word.startswith("-") and "=" not in word]


MAKE_TARGETS = sorted({target for arguments in uses_of("make") for target in targets_of(arguments)})
SCRAPEQ = sorted({tuple(arguments) for arguments in uses_of("scrapeq")})


def test_the_readme_shows_make_and_scrapeq_commands() -> None:
    """The README shows `make demo`, `make test` and commands of `scrapeq`."""
    assert {"demo", "test"} <= set(MAKE_TARGETS)
    assert SCRAPEQ


def test_the_readme_has_at_most_150_lines() -> None:
    """The README has at most 150 lines; details belong in docs/."""
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    """The Makefile has every target that the README names."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert target in TARGET.findall(makefile)


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_make_help_lists_a_make_target_of_the_readme(target: str) -> None:
    """`make help` lists every target that the README names."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert re.search(rf"^\s*(?:make )?{re.escape(target)}\b", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", SCRAPEQ, ids=" ".join)
def test_a_scrapeq_command_of_the_readme_exists_with_its_options(arguments: tuple[str, ...]) -> None:
    """`scrapeq` accepts every command and option in the README."""
    assert unknown_words(typer.main.get_command(app), list(arguments)) == []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["no-such-command"], ["no-such-command"]),
        (["--no-such-option"], ["--no-such-option"]),
        (["--help"], []),
    ],
)
def test_an_unknown_command_or_option_is_reported(arguments: list[str], wrong: list[str]) -> None:
    """A command or option that does not exist is reported; an existing option is not."""
    assert unknown_words(typer.main.get_command(app), arguments) == wrong


def test_commands_are_read_from_markdown() -> None:
    """Commands are read from inline code and from lines with prompts, comments, assignments and chains."""
    text = "```sh\n$ A=1 make demo && make up  # look\nscrapeq \\\n  status\n```\nor `make test`; not `x`"
    assert list(commands(text)) == [["make", "demo"], ["make", "up"], ["scrapeq", "status"], ["make", "test"]]
