"""The subcommands of `scrapeq`: each reads its options, calls one function and prints its result."""

from typing import Annotated

import typer

from console.cli.acts_command import acts
from console.cli.application import ScrapeqTyper
from console.cli.bill_command import bill
from console.cli.console_command import console
from console.cli.control_commands import cancel, pause, resume
from console.cli.dead_letter_commands import dead_app
from console.cli.dispatch_commands import dispatch_crawl, plan, wait
from console.cli.init_command import init
from console.cli.ledger_command import ledger
from console.cli.recipe_commands import recipe_app
from console.cli.report_commands import job, reasons, runs
from console.cli.results_command import results
from console.cli.run_report_command import report
from console.cli.shell_command import shell
from console.cli.stack_commands import demo, down, logs, up
from console.cli.status_command import status
from console.cli.try_command import try_recipe
from console.version import version

app = ScrapeqTyper(
    help="""The task queue of a web scraper. Try `scrapeq demo` first: it needs no setup.

Example: scrapeq demo"""
)


def print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it with the value of the flag
    """Print the version of the installed distribution, and exit."""
    if is_asked:
        typer.echo(f"scrapeq {version()}")
        raise typer.Exit


@app.callback()
def scrapeq(
    *,
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that come before a subcommand."""


app.command()(up)
app.command()(down)
app.command()(logs)
app.command()(demo)
app.command()(console)
app.command()(ledger)
app.command()(plan)
app.command("dispatch")(dispatch_crawl)
app.command()(wait)
app.command()(cancel)
app.command()(pause)
app.command()(resume)
app.command()(init)
app.command()(shell)
app.command("try")(try_recipe)
app.add_typer(recipe_app, name="recipe")
app.command()(runs)
app.command()(status)
app.command()(job)
app.command()(results)
app.command()(report)
app.command()(bill)
app.add_typer(dead_app, name="dead")
app.command()(acts)
app.command()(reasons)
