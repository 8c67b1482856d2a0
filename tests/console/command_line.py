"""Parses commands of `scrapeq` with its own parser, without running them."""

import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import typer

from console.cli.commands import app


def leaf_commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - a private type of typer
    """Yield the name of each subcommand, as its words, and the command; groups are not yielded."""
    command = typer.main.get_command(app) if command is None else command
    inner = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name, each in inner.items():
        yield from leaf_commands(each, (*path, name))


def groups(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - a private type of typer
    """Yield `scrapeq` itself and each command with subcommands."""
    command = typer.main.get_command(app) if command is None else command
    if inner := getattr(command, "commands", {}):
        yield path, command
    for name, each in inner.items():
        yield from groups(each, (*path, name))


def usage_error(arguments: list[str]) -> str:
    """Return why `scrapeq` refuses these arguments; empty if it accepts them. The command does not run."""
    whole = typer.main.get_command(app)
    for _, command in leaf_commands(whole):
        command.callback = None
    for parameter in whole.params:
        if "completion" in str(parameter.name):
            parameter.callback = None  # it would write to the files of the user's shell
    try:
        with redirect_stdout(StringIO()):
            whole.main(arguments, prog_name="scrapeq", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return str(error.format_message())
    return ""


def arguments_of(line: str) -> list[str]:
    """Return the arguments of `scrapeq` in a line of a shell, without pipes and redirections."""
    words = shlex.split(line, comments=True)
    end = next((i for i, word in enumerate(words) if word in {">", "|", "&&", "&", ";", "<"}), len(words))
    assert words[0] == "scrapeq", line
    return words[1:end]
