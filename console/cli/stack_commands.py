"""The subcommands that run the local stack: `up`, `down`, `logs` and `demo`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, choices
from console.errors import StackError, UsageError
from console.ledger.ledger import Ledger
from console.stack.brokers.choice import LOCAL_BROKERS
from console.stack.logs import log_files, read_logs
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.stack.stack_file import data_option, running_stack
from console.suggestion import did_you_mean
from console.terminal import open_terminal, print_json, print_line

AckPolicyOption = Annotated[
    AckPolicy,
    typer.Option(
        metavar=choices(AckPolicy),
        help="settled: the worker itself dead-letters failed jobs and defers those that must wait.",
    ),
]


Broker = Annotated[
    str,
    typer.Option(
        metavar="NAME|URL",
        help=f"Broker instead of Pub/Sub: {', '.join(LOCAL_BROKERS)} starts its server, a URL uses one that "
        "runs.",
    ),
]


def _port(meaning: str) -> Any:  # noqa: ANN401 - typer's own type of options is private
    return typer.Option(metavar="PORT", help=meaning, min=0, max=65535)


def _seconds(meaning: str, minimum: int = 0) -> Any:  # noqa: ANN401 - typer's own type of options is private
    return typer.Option(metavar="SECONDS", help=meaning, min=minimum, max=600)


def _repeated_options(ctx: typer.Context, without: set[str]) -> list[str]:
    """Return the options that the running command was given, as arguments of another process."""
    arguments = []
    for option in ctx.command.params:
        value = ctx.params.get(str(option.name))
        if option.name in without or not _is_given(ctx, str(option.name)) or value is False:
            continue
        arguments.append(option.opts[0] if value is True else f"{option.opts[0]}={value}")
    return arguments


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option of the running command was given, even if with the value of its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _refuse_unused_ports(ctx: typer.Context, broker: str) -> None:
    """Raise UsageError if a port of the local Pub/Sub was given, but another broker runs in its place."""
    for option in ("--pubsub-port", "--pubsub-http-port"):
        if broker and _is_given(ctx, option.removeprefix("--").replace("-", "_")):
            raise UsageError(f"{option} is a port of the local Pub/Sub, which --broker replaces: omit it.")


def up(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    ctx: typer.Context,
    data: Data = DEFAULT_DATA,
    pubsub_port: Annotated[int, _port("The gRPC port of Pub/Sub.")] = 8085,
    pubsub_http_port: Annotated[int, _port("HTTP port of Pub/Sub: REST API, certificates, health.")] = 8086,
    dispatcher_port: Annotated[int, _port("Port of the dispatcher, which accepts crawls.")] = 8081,
    worker_port: Annotated[int, _port("Port of the worker, which accepts pushed jobs.")] = 8082,
    console_port: Annotated[int, _port("Port of the operator's page, for a browser.")] = 8088,
    ack_deadline: Annotated[
        int, _seconds("Seconds after which an unacknowledged job is redelivered.", minimum=10)
    ] = 600,
    max_delivery_attempts: Annotated[
        int, typer.Option(metavar="N", help="Attempts before a job becomes a dead letter.", min=5, max=100)
    ] = 10,
    minimum_backoff: Annotated[int, _seconds("Delay before the second attempt, in seconds.")] = 10,
    maximum_backoff: Annotated[int, _seconds("Maximum delay before an attempt, in seconds.")] = 600,
    workers: Annotated[int, typer.Option(metavar="N", help="Number of worker processes.", min=1, max=64)] = 2,
    ack_policy: AckPolicyOption = AckPolicy.SUCCESS,
    broker: Broker = "",
    detach: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool,
        typer.Option("--detach", "-d", help="Return once everything is healthy; `scrapeq down` stops it."),
    ] = False,
    as_json: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--json", help="Print the addresses as JSON once everything is healthy.")
    ] = False,
) -> None:
    """Run Scrapeq on this machine: Pub/Sub, dispatcher, worker and the operator's page, until Ctrl-C.

    A port of 0 means any free port. Queued jobs are kept: the next start continues with them.
    With --broker, relays deliver the jobs of another broker than Pub/Sub, on free ports.

    Example:
        scrapeq up --ack-policy settled
        scrapeq up --detach
        scrapeq up --broker rabbitmq
    """
    from console.cli import up as up_command  # noqa: PLC0415 - a slow import that only this command needs

    if minimum_backoff > maximum_backoff:
        raise UsageError("--minimum-backoff must not be greater than --maximum-backoff.")
    _refuse_unused_ports(ctx, broker)
    if detach:
        up_command.run_detached(data, _repeated_options(ctx, without={"detach", "as_json"}), as_json=as_json)
        return
    delivery = DeliveryPolicy(ack_deadline, max_delivery_attempts, minimum_backoff, maximum_backoff)
    options = StackOptions(
        data=data,
        pubsub_port=pubsub_port,
        pubsub_http_port=pubsub_http_port,
        dispatcher_port=dispatcher_port,
        worker_port=worker_port,
        console_port=console_port,
        delivery=delivery,
        worker_processes=workers,
        ack_policy=ack_policy,
        broker=broker,
    )
    up_command.run(options, as_json=as_json)


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the queue, the ledger and the logs in this new directory."),
    ] = None,
    broker: Annotated[
        str, typer.Option(metavar="NAME", help=f"Broker instead of Pub/Sub: {', '.join(LOCAL_BROKERS)}.")
    ] = "",
) -> None:
    """Start all services, scrape a bundled web site, and account for every job.

    The demo takes about half a minute and needs no network. One page of the site succeeds at its second
    attempt and one always fails, so that you see a retry and a dead letter.
    Without --keep, all files of the demo are deleted at its end.

    Example:
        scrapeq demo --keep demo-data
        scrapeq demo --broker rabbitmq
    """
    if "://" in broker:  # its queues would be created with the short backoffs of the demo
        raise UsageError(f"The demo starts a broker of its own: {', '.join(LOCAL_BROKERS)}.")
    from console.demo.run import run_demo  # noqa: PLC0415 - a slow import that only this command needs

    raise typer.Exit(run_demo(keep, open_terminal(), broker))


def down(
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for the end of the services.", min=1)
    ] = 60,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Stop the `scrapeq up` that runs in --data, wait for its end, and show the accounting of all runs.

    Nothing is lost: the next `scrapeq up` continues with the queued jobs.

    Example: scrapeq down
    """
    from console.stack.detached import stop_running  # noqa: PLC0415 - only this command needs it

    terminal = open_terminal()
    record = running_stack(data)
    if not as_json:
        print_line(terminal, f"Stopping process {record.pid} …")
    stop_running(data, timeout)
    accounting = Ledger(data).accounting()
    if as_json:
        print_json(accounting._asdict())
        return
    print_line(terminal, "Stopped.")
    print_line(terminal, f"{accounting} (all runs)")


def service_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the services whose names begin with a text, for the completion of the shell."""
    data = ctx.params.get("data") or os.environ.get("SCRAPEQ_DATA") or DEFAULT_DATA
    return [name for name in log_files(Path(data)) if name.startswith(incomplete)]


def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE",
            autocompletion=service_names,
            help="Services, for example `worker`. Default: all of them.",
        ),
    ] = None,
    follow: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--follow", "-f", help="Show new lines until Ctrl-C, or the end of the stack.")
    ] = False,
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", metavar="N", help="Last lines of each service.", min=0, max=100_000),
    ] = 20,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the logs of the local services, each line after the name of its service.

    Example: scrapeq logs worker --follow
    """
    files = log_files(data)
    if unknown := [name for name in services or () if name not in files]:
        raise UsageError(_unknown_service(unknown[0], list(files), data))
    if not files:
        raise StackError(f"There are no logs in {data}: `scrapeq up{data_option(data)}` has not run there.")
    names = services or list(files)
    width = max(map(len, names))
    terminal = open_terminal()
    try:
        for line in read_logs(data, names, lines, follow=follow):
            if as_json:
                print_json(line._asdict())
            else:
                print_line(terminal, f"{line.service:{width}} | {line.text}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _unknown_service(name: str, known: list[str], data: Path) -> str:
    meant = did_you_mean(name, known)
    return f"There is no log of {name} in {data / 'logs'}.{meant} The logs are: {', '.join(known) or 'none'}."
