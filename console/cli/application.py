"""The class of all commands of `scrapeq`: their help ends with an example, and their errors are sentences.

The last paragraph of a command's docstring has its example, as one line or as several::

    Example: scrapeq wait books-1 --timeout 600
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from console.cli.output_errors import reporting_output_errors
from console.errors import ConsoleError
from console.terminal import open_terminal, print_line

# The types of typer's own copy of click are private, hence the exemptions for `Any` below.
_MARK = "Example:"


def split_example(text: str | None) -> tuple[str, list[str]]:
    """Return a docstring without its example, and the lines of the example."""
    paragraphs = (text or "").rstrip().split("\n\n")
    if not paragraphs[-1].startswith(_MARK):
        return text or "", []
    lines = map(str.strip, paragraphs[-1].removeprefix(_MARK).splitlines())
    return "\n\n".join(paragraphs[:-1]), [line for line in lines if line]


def _write_example(formatter: Any, lines: list[str]) -> None:  # noqa: ANN401 - a private type of typer
    if lines:
        with formatter.section("Example"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def argument_name(argument: Any) -> str:  # noqa: ANN401 - a private type of typer
    """Return the name of an argument as in the line `Usage`: in brackets if it may be omitted."""
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


class ScrapeqCommand(TyperCommand):
    """A subcommand.

    Attributes:
        example: lines of the example that its help ends with.
    """

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002, ANN401 - typer passes `help` and its private types by name
        text, self.example = split_example(help)
        super().__init__(name, help=text, **settings)
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                # typer shows the Python type of an argument beside its name
                setattr(parameter, "display_type_rich", lambda ctx: "")  # noqa: ARG005, B010 - a method of typer's private class

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - a private type of typer, which calls it
        """Return the words of the line `Usage` after the command's name; typer's have braces."""
        kinds = {parameter.param_type_name for parameter in self.params}
        arguments = (each for each in self.params if each.param_type_name == "argument")
        return [*(["[OPTIONS]"] if "option" in kinds else []), *map(argument_name, arguments)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - private types of typer, which calls it
        """Write the example below the options."""
        _write_example(formatter, self.example)


class ScrapeqGroup(TyperGroup):
    """A command with subcommands; `scrapeq` itself is one.

    Attributes:
        example: lines of the example that its help ends with.
    """

    def __init__(self, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002, ANN401 - typer passes `help` and its private types by name
        text, self.example = split_example(help)
        super().__init__(help=text, **settings)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - private types of typer, which calls it
        """Write the example below the list of subcommands."""
        _write_example(formatter, self.example)

    def main(self, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - as in typer
        """Run `scrapeq`, and exit; a closed or full output is reported without a stack trace."""
        with reporting_output_errors():
            return super().main(*arguments, **settings)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - a private type of typer
        """Run the command; exit with the status of a ConsoleError, after its message."""
        try:
            return super().invoke(ctx)
        except ConsoleError as error:
            message, status = str(error), error.exit_status
        except sqlite3.Error as error:
            message, status = f"The ledger cannot be read or written: {error}.", 1
        print_line(open_terminal(stderr=True), message)
        raise typer.Exit(status)


class ScrapeqTyper(typer.Typer):
    """Collects the subcommands of `scrapeq` or of one of its groups.

    Args:
        help: the text of `--help`, with an example as its last paragraph.
    """

    def __init__(self, *, help: str) -> None:  # noqa: A002 - the name that typer has
        super().__init__(
            cls=ScrapeqGroup,
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
            help=help,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - as in typer
        """Return a decorator that adds a function as a subcommand."""
        return super().command(name, cls=ScrapeqCommand, **settings)
