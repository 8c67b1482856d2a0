"""The commands of `scrapeq`: each reads its options, calls one function and prints what it returns."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from console.cli.recipe_commands import recipe_app, try_recipe
from console.dispatch import DispatchResponse, dispatch
from console.errors import ConsoleError, UsageError
from console.ledger.ledger import Accounting, Ledger
from console.recipes.crawl_file import load_crawl, name_run
from console.report.follow import Follower
from console.report.tables import (
    dead_lines,
    dispatched_table,
    failures_table,
    reasons_table,
    rejected_table,
    result_lines,
    results_table,
)
from console.stack.services import AckPolicy, DeliveryPolicy, Politeness, StackOptions
from console.stack.signals import raise_on_signals
from console.terminal import open_terminal, print_line, show_progress, show_steps


class ErrorReportingGroup(TyperGroup):
    """Ends a command on a complaint: its sentence on standard error, its exit status, no stack trace."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer has its own click, whose types are private
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConsoleError as complaint:
            print_line(open_terminal(stderr=True), str(complaint))
            raise typer.Exit(complaint.exit_status) from None


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSONL = "jsonl"


app = typer.Typer(
    name="scrapeq",
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The task queue of a web scraper. Try `scrapeq demo` first: half a minute, nothing to set up.",
)

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Directory of the queue, the ledger and the logs.")
]
Run = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run_id, as `dispatch` prints it. Default: the latest run."),
]
AckPolicyOption = Annotated[
    AckPolicy, typer.Option(help="settled: the worker itself buries what failed and defers what must wait.")
]
PolitenessOption = Annotated[
    Politeness, typer.Option(help="ordered: politeness.per_host holds for all processes together.")
]
ORDERED_NEEDS_SETTLED = (
    "--politeness ordered needs --ack-policy settled: else each failed page holds up the others of its host, "
    "for as long as its attempts and backoffs take."
)
DEFAULT_DATA = Path(".scrapeq")
MISSING = "without an end and older than the queue keeps a message, or ended without having been dispatched"


@app.command()
def up(  # noqa: PLR0913, PLR0917 - a command has as many arguments as options, and typer names them
    data: Data = DEFAULT_DATA,
    pubsub_port: Annotated[int, typer.Option(help="Port of Pub/Sub (gRPC).", min=0, max=65535)] = 8085,
    pubsub_http_port: Annotated[
        int, typer.Option(help="Port of Pub/Sub's HTTP side: certificates, health.", min=0, max=65535)
    ] = 8086,
    dispatcher_port: Annotated[int, typer.Option(help="Port that takes crawls.", min=0, max=65535)] = 8081,
    worker_port: Annotated[int, typer.Option(help="Port that takes pushed jobs.", min=0, max=65535)] = 8082,
    ack_deadline: Annotated[
        int, typer.Option(help="Seconds a worker has for one job; then it is redelivered.", min=10, max=600)
    ] = 60,
    max_delivery_attempts: Annotated[
        int, typer.Option(help="Attempts before a job becomes a dead letter.", min=5, max=100)
    ] = 5,
    minimum_backoff: Annotated[
        int, typer.Option(help="Seconds before the second attempt.", min=0, max=600)
    ] = 10,
    maximum_backoff: Annotated[
        int, typer.Option(help="Seconds before any attempt, at most.", min=0, max=600)
    ] = 600,
    workers: Annotated[int, typer.Option(help="Processes of the worker.", min=1, max=64)] = 2,
    ack_policy: AckPolicyOption = AckPolicy.SUCCESS,
    politeness: PolitenessOption = Politeness.INSTANCE,
) -> None:
    """Run Scrapeq on this machine: Pub/Sub, dispatcher and worker, until Ctrl-C.

    A port of 0 means any free one. What was queued when it stopped goes on when it starts again.
    """
    from console.cli import up as up_command  # noqa: PLC0415 - half a second of imports that only this command needs

    if minimum_backoff > maximum_backoff:
        raise UsageError("--minimum-backoff is above --maximum-backoff; it must not be.")
    if politeness is Politeness.ORDERED and ack_policy is not AckPolicy.SETTLED:
        raise UsageError(ORDERED_NEEDS_SETTLED)
    delivery = DeliveryPolicy(
        ack_deadline, max_delivery_attempts, minimum_backoff, maximum_backoff, politeness
    )
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
    """Show the whole of it: start everything, scrape a bundled web site, and account for every job.

    Takes about half a minute, needs no network, and leaves nothing behind. One page of the site recovers at
    its second attempt and one never does, so that a retry and a dead letter can be seen.
    """
    from console.demo import run as demo_run  # noqa: PLC0415 - as in `up`

    raise typer.Exit(demo_run.run(keep, open_terminal()))


@app.command("dispatch")
def dispatch_crawl(
    crawl_file: Annotated[Path, typer.Argument(metavar="CRAWL.yaml", help="What to scrape, and how.")],
    dispatcher: Annotated[
        str, typer.Option(metavar="URL", help="Where the dispatcher listens.")
    ] = "http://127.0.0.1:8081",
    wait: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--wait", help="Wait until nothing of the run is in flight.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start a run: make a job of every page of a crawl.

    Every fault in the file is named with its line before anything is sent. Where the dispatcher answers 503
    or not at all, the request is repeated, and makes the same jobs.
    """
    terminal = open_terminal()
    crawl = load_crawl(crawl_file)
    crawl = crawl.model_copy(update={"run_id": name_run(crawl, datetime.now(UTC))})
    if wait:
        Ledger(data).runs()  # complains where there is no ledger to watch, before anything is sent
    with raise_on_signals():
        try:
            dispatched = dispatch(crawl, dispatcher, announce=lambda text: print_line(terminal, text))
            print_line(terminal, f"run {dispatched.run_id}")
            terminal.print(dispatched_table(dispatched))
            if dispatched.rejected:
                terminal.print(rejected_table(dispatched))
            if wait:
                print_line(terminal, str(_follow(Ledger(data), dispatched)))
        except KeyboardInterrupt:
            print_line(terminal, f"No longer waiting. Run {crawl.run_id} goes on without us.")
            raise typer.Exit(130) from None


def _follow(ledger: Ledger, dispatched: DispatchResponse) -> Accounting:
    terminal = open_terminal()
    with show_progress(terminal, dispatched.published) as show:
        return Follower(
            ledger,
            dispatched.run_id,
            dispatched.published,
            show,
            remark=lambda text: print_line(terminal, text),
        ).follow()


app.command("try")(try_recipe)
app.add_typer(recipe_app, name="recipe")


@app.command()
def results(
    run: Run = None,
    output: Annotated[
        Format, typer.Option("--format", help="A table, or JSON Lines: one item a line, for other programs.")
    ] = Format.TABLE,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show what a run has scraped: one row for each job that succeeded."""
    ledger = Ledger(data)
    run_id = ledger.resolve_run(run)
    found = ledger.results(run_id)
    if output is Format.JSONL:
        for line in result_lines(run_id, found):
            typer.echo(line)
        return
    terminal = open_terminal()
    print_line(terminal, f"run {run_id}: {len(found)} jobs succeeded")
    if found:
        terminal.print(results_table(found, terminal.width))


@app.command()
def status(run: Run = None, data: Data = DEFAULT_DATA) -> None:
    """Show where a run stands: its accounting, and why attempts did not succeed."""
    ledger, terminal = Ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    failures = ledger.failures(run_id)
    print_line(terminal, f"run {run_id}")
    if failures:
        terminal.print(failures_table(failures))
    accounting = ledger.accounting(run_id)
    if accounting.missing:
        print_line(terminal, f"{accounting.missing} jobs are missing: {MISSING}.")
    print_line(terminal, str(accounting))


@app.command()
def dead(run: Run = None, data: Data = DEFAULT_DATA) -> None:
    """Show a run's dead letters: each job that died, why, and what to do about it."""
    ledger, terminal = Ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    jobs = ledger.dead_jobs(run_id)
    print_line(terminal, f"run {run_id}: {len(jobs)} dead {'letter' if len(jobs) == 1 else 'letters'}")
    for job in jobs:
        for line in dead_lines(job):
            print_line(terminal, line)


@app.command()
def replay(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only this run's dead letters. Default: all.")
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB_ID", help="Only this job's.")] = None,
    pubsub: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The local Pub/Sub.", envvar="PUBSUB_EMULATOR_HOST")
    ] = "127.0.0.1:8085",
) -> None:
    """Publish dead letters as jobs again, once what made them fail is mended.

    A letter is taken out only after its job is confirmed in the jobs topic: Ctrl-C loses nothing.
    """
    from console.replay import replay as replay_letters  # noqa: PLC0415 - as in `up`

    def wanted(attributes: dict[str, str]) -> bool:
        return run in {None, attributes.get("run_id")} and job in {None, attributes.get("job_id")}

    terminal = open_terminal()
    try:
        with raise_on_signals(), show_steps(terminal) as announce:
            announce("Looking for dead letters")
            done = replay_letters(pubsub, wanted, lambda count: announce(f"{count} replayed"))
    except KeyboardInterrupt:
        print_line(terminal, "Stopped. What was not replayed is still a dead letter.")
        raise typer.Exit(130) from None
    print_line(terminal, f"replayed {done.replayed}, left {done.left}")


@app.command()
def reasons() -> None:
    """Explain every reason code: the outcome it belongs to, what it means, and what to do."""
    open_terminal().print(reasons_table())
