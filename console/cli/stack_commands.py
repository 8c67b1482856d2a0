"""The subcommands that run the local stack: `up` and `demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.arguments import DEFAULT_DATA, Data, choices
from console.errors import UsageError
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.terminal import open_terminal

AckPolicyOption = Annotated[
    AckPolicy,
    typer.Option(
        metavar=choices(AckPolicy),
        help="settled: the worker itself dead-letters failed jobs and defers those that must wait.",
    ),
]


def _port(meaning: str) -> Any:  # noqa: ANN401 - typer's own type of options is private
    return typer.Option(metavar="PORT", help=meaning, min=0, max=65535)


def _seconds(meaning: str, minimum: int = 0) -> Any:  # noqa: ANN401 - typer's own type of options is private
    return typer.Option(metavar="SECONDS", help=meaning, min=minimum, max=600)


def up(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    data: Data = DEFAULT_DATA,
    pubsub_port: Annotated[int, _port("The gRPC port of Pub/Sub.")] = 8085,
    pubsub_http_port: Annotated[int, _port("HTTP port of Pub/Sub: REST API, certificates, health.")] = 8086,
    dispatcher_port: Annotated[int, _port("Port of the dispatcher, which accepts crawls.")] = 8081,
    worker_port: Annotated[int, _port("Port of the worker, which accepts pushed jobs.")] = 8082,
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
) -> None:
    """Run Scrapeq on this machine: Pub/Sub, dispatcher and worker, until Ctrl-C.

    A port of 0 means any free port. Queued jobs are kept: the next start continues with them.

    Example: scrapeq up --ack-policy settled
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

    Example: scrapeq demo --keep demo-data
    """
    from console.demo.run import run_demo  # noqa: PLC0415 - a slow import that only this command needs

    raise typer.Exit(run_demo(keep, open_terminal()))
