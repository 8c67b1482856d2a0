"""The subcommands of `scrapeq`: each reads its options, calls one function and prints its result."""

from importlib import metadata
from typing import Annotated

import typer

from console.cli.application import ScrapeqTyper
from console.cli.arguments import DEFAULT_DATA, Data, Pubsub, pubsub_of, run_ids
from console.cli.console_command import console
from console.cli.dispatch_commands import dispatch_crawl, plan, wait
from console.cli.recipe_commands import recipe_app, try_recipe
from console.cli.report_commands import dead, job, reasons, runs, status
from console.cli.results_command import results
from console.cli.run_report_command import report
from console.cli.stack_commands import demo, down, logs, up
from console.ledger.ledger import Ledger
from console.stack.signals import raise_on_signals
from console.terminal import open_terminal, print_line, show_steps

app = ScrapeqTyper(
    help="""The task queue of a web scraper. Try `scrapeq demo` first: it needs no setup.

Example: scrapeq demo"""
)


def print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it with the value of the flag
    """Print the version of the installed distribution, and exit."""
    if is_asked:
        typer.echo(f"scrapeq {metadata.version('scrapeq')}")
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
app.command()(plan)
app.command("dispatch")(dispatch_crawl)
app.command()(wait)
app.command("try")(try_recipe)
app.add_typer(recipe_app, name="recipe")
app.command()(runs)
app.command()(status)
app.command()(job)
app.command()(results)
app.command()(report)
app.command()(dead)


@app.command()
def replay(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", autocompletion=run_ids, help="Only dead letters of this run. Default: all."
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="JOB_ID", help="Only the dead letter of this job.")
    ] = None,
    infrastructure: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool,
        typer.Option("--infrastructure", help="Only dead letters that the infrastructure caused."),
    ] = False,
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Publish dead letters as jobs again, after the cause of their failure is fixed.

    A dead letter is removed only after Pub/Sub has confirmed that its job was published, so Ctrl-C loses no
    job. --infrastructure needs the ledger in the data directory, which shows what caused a dead letter.

    Example: scrapeq replay books-1
    """
    from console.replay import replay as replay_dead_letters  # noqa: PLC0415 - slow, needed only here

    host = pubsub_of(pubsub, data)
    chosen = Ledger(data).infrastructure_dead_jobs(run) if infrastructure else None

    def is_selected(attributes: dict[str, str]) -> bool:
        job_id = attributes.get("job_id")
        is_chosen = chosen is None or job_id in chosen
        return is_chosen and run in {None, attributes.get("run_id")} and job in {None, job_id}

    terminal = open_terminal()
    try:
        with raise_on_signals(), show_steps(terminal) as announce:
            announce("Looking for dead letters")
            result = replay_dead_letters(host, is_selected, lambda count: announce(f"{count} replayed"))
    except KeyboardInterrupt:
        print_line(terminal, "Stopped. Jobs that were not replayed are still dead letters.")
        raise typer.Exit(130) from None
    print_line(terminal, f"replayed {result.replayed}, left {result.left}")


app.command()(reasons)
