"""Runs `scrapeq` in the process of the tests."""

from collections.abc import Callable

from typer.testing import CliRunner, Result

from console.cli.commands import app

Scrapeq = Callable[..., Result]


def run_scrapeq(*arguments: object) -> Result:
    """Run `scrapeq` with the given arguments, in a terminal of 80 columns."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(argument) for argument in arguments])
