"""The subcommands of `scrapeq`: each reads its options, calls one function and prints its result."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from console.cli.arguments import DEFAULT_DATA, Data, Pubsub, pubsub_of
from console.cli.console_command import console
from console.cli.dispatch_commands import dispatch_crawl, plan, wait
from console.cli.recipe_commands import recipe_app, try_recipe
from console.cli.report_commands import dead, job, reasons, runs, status
from console.cli.results_command import results
from console.errors import ConsoleError, UsageError
from console.ledger.ledger import Ledger
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.stack.signals import raise_on_signals
from console.terminal import open_terminal, print_line, show_steps


class ErrorReportingGroup(TyperGroup):
    """Reports a ConsoleError: prints its message to standard error, without a stack trace, and exits."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the types of typer's own copy of click are private
        """Run the command; exit with the status of a ConsoleError."""
        try:
            return super().invoke(ctx)
        except ConsoleError as error:
            print_line(open_terminal(stderr=True), str(error))
            raise typer.Exit(error.exit_status) from None


app = typer.Typer(
    name="scrapeq",
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The task queue of a web scraper. Try `scrapeq demo` first: it needs no setup.",
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


AckPolicyOption = Annotated[
    AckPolicy,
    typer.Option(help="settled: the worker itself dead-letters failed jobs and defers those that must wait."),
]


@app.command()
def up(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    data: Data = DEFAULT_DATA,
    pubsub_port: Annotated[int, typer.Option(help="gRPC port of Pub/Sub.", min=0, max=65535)] = 8085,
    pubsub_http_port: Annotated[
        int, typer.Option(help="HTTP port of Pub/Sub: REST API, certificates, health.", min=0, max=65535)
    ] = 8086,
    dispatcher_port: Annotated[
        int, typer.Option(help="Port of the dispatcher, which accepts crawls.", min=0, max=65535)
    ] = 8081,
    worker_port: Annotated[
        int, typer.Option(help="Port of the worker, which accepts pushed jobs.", min=0, max=65535)
    ] = 8082,
    ack_deadline: Annotated[
        int, typer.Option(help="Seconds after which an unacknowledged job is redelivered.", min=10, max=600)
    ] = 600,
    max_delivery_attempts: Annotated[
        int, typer.Option(help="Attempts before a job becomes a dead letter.", min=5, max=100)
    ] = 10,
    minimum_backoff: Annotated[
        int, typer.Option(help="Delay before the second attempt, in seconds.", min=0, max=600)
    ] = 10,
    maximum_backoff: Annotated[
        int, typer.Option(help="Maximum delay before an attempt, in seconds.", min=0, max=600)
    ] = 600,
    workers: Annotated[int, typer.Option(help="Number of worker processes.", min=1, max=64)] = 2,
    ack_policy: AckPolicyOption = AckPolicy.SUCCESS,
) -> None:
    """Run Scrapeq on this machine: Pub/Sub, dispatcher and worker, until Ctrl-C.

    A port of 0 means any free port. Queued jobs are kept: the next start continues with them.
    """
    from console.cli import up as up_command  # noqa: PLC0415 - a slow import that only this command needs

    if minimum_backoff > maximum_backoff:
        raise UsageError("--minimum-backoff must not be greater than --maximum-backoff.")
    delivery = DeliveryPolicy(ack_deadline, max_delivery_attempts, minimum_backoff, maximum_backoff)
    options = StackOptions(
        data=data,
        pubsub_port=pubsub_port,
        pubsub_http_port=pubsub_http_port,
        dispatcher_port=dispatcher_port,
        worker_port=worker_port,
        delivery=delivery,
        worker_processes=workers,
        ack_policy=ack_policy,
    )
    up_command.run(options, open_terminal())


@app.command()
def demo(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the queue, the ledger and the logs in this new directory."),
    ] = None,
) -> None:
    """Start all services, scrape a bundled web site, and account for every job.

    The demo takes about half a minute and needs no network. One page of the site succeeds at its second
    attempt and one always fails, so that you see a retry and a dead letter.
    Without --keep, all files of the demo are deleted at its end.
    """
    from console.demo.run import run_demo  # noqa: PLC0415 - a slow import that only this command needs

    raise typer.Exit(run_demo(keep, open_terminal()))


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
app.command()(dead)


@app.command()
def replay(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only dead letters of this run. Default: all.")
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
