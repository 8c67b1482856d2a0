"""The subcommands `cancel`, `pause` and `resume`, by which an operator controls runs and hosts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Pubsub, run_ids
from console.dispatch_response import DispatchResponse
from console.errors import UsageError
from console.ledger.ledger import MAX_NAMED_RUNS, Accounting, Ledger
from console.ledger.open_ledger import open_ledger
from console.ledger.run_rows import run_summaries
from console.report.controls import time_text
from console.report.follow import Follower
from console.report.run_status import accounting_json
from console.stack.pubsub_address import PubsubAddress, address_of
from console.stack.signals import raise_on_signals
from console.stack.stack_file import data_option, is_running, read_stack
from console.terminal import open_terminal, print_json, print_line, show_progress, show_steps
from contract.urls import check_url, host_of

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

NamedRun = Annotated[
    str | None,
    typer.Argument(metavar="RUN", autocompletion=run_ids, help="The run_id that `dispatch` printed."),
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="HOST", help="A host, for example shop.example, in all runs.")
]
Everything = Annotated[bool, typer.Option("--all", help="Everything: no job is delivered any more.")]


def cancel(
    run: NamedRun = None,
    wait: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--wait", help="Show the progress until no job of the run is in flight.")
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Cancel a run: no further page of it is requested, and its jobs in flight are accounted as cancelled.

    Requests that have begun may finish, and their pages are recorded. Jobs that a dispatch publishes later
    are cancelled as well. A job that waits for its next attempt is accounted when Pub/Sub delivers it again,
    after its backoff. A cancelled run cannot be continued; `scrapeq pause` stops a run for a time. Ctrl-C
    ends only --wait. With --wait the exit status is 1 if the accounting does not add up.

    Example: scrapeq cancel books-2026-11-22T06:00:00Z --wait
    """
    from console.controls import cancel as controls  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.acts import operator_name  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.queue import open_queue  # noqa: PLC0415 - imports Pub/Sub's slow client

    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    if run is None:
        raise UsageError(f"Name the run. {_running_runs(ledger)}")
    run_id = ledger.resolve_run(run)
    if controls.has_ended(ledger, run_id):
        print_line(terminal, f"Run {run_id} has ended: no job of it is in flight, so nothing was cancelled.")
        _show_accounting(terminal, run_id, ledger.accounting(run_id), as_json=as_json)
        return
    address = address_of(pubsub, data)
    with _changing(terminal, f"Cancelling run {run_id}"), open_queue(address) as queue:
        controls.cancel(queue, run_id, operator_name(), in_flight=ledger.accounting(run_id).in_flight)
    print_line(
        terminal,
        f"Run {run_id} is cancelled: no further request begins after {controls.BOUND_SECONDS} s. Requests "
        "that have begun may finish.",
    )
    if wait:
        _follow(terminal, ledger, run_id, as_json=as_json)
        return
    _show_accounting(terminal, run_id, ledger.accounting(run_id), as_json=as_json)
    print_line(terminal, f"`scrapeq wait {run_id}{data_option(data)}` shows when all its jobs are accounted.")


def pause(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: NamedRun = None,
    host: Host = None,
    everything: Everything = False,  # noqa: FBT002 - this argument is a flag of the command
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="For how long, for example 90s, 30m, 2h or 1d."),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Pause a run, a host or everything: no page of it is requested until `scrapeq resume`; no job is lost.

    While a run or a host is paused, the workers hold its jobs. With ACK_POLICY=success each delivery that is
    held to its end counts as an attempt, so there the pause ends before a job can become a dead letter; the
    command says when. --all stops the deliveries themselves, which costs no attempts.

    Example: scrapeq pause --host shop.example --for 2h
    """
    from console.controls import pause as controls  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.acts import operator_name  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.cancel import BOUND_SECONDS  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.queue import open_queue  # noqa: PLC0415 - imports Pub/Sub's slow client

    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    target = controls.Target(*_target(ledger, run, host, everything=everything))
    seconds = _seconds(duration)
    if target.is_all and seconds != inf:
        raise UsageError(
            "Only a run or a host can be paused --for a time; end a pause of all with `scrapeq resume`."
        )
    address = address_of(pubsub, data)
    with _changing(terminal, f"Pausing: {target}"), open_queue(address) as queue:
        end = controls.pause(queue, ledger, target, seconds, operator_name())
    resume = f"`scrapeq resume {_named(target.run_id, target.host)}{data_option(data)}` ends the pause"
    print_line(terminal, f"{target} is paused: no further request begins after {BOUND_SECONDS} s. {resume}.")
    if end.until != inf:
        why = ", before a job could become a dead letter of it (ACK_POLICY=success)" if end.is_limited else ""
        print_line(terminal, f"The pause ends by itself at {time_text(end.until)}{why}.")
    if as_json:
        until = None if end.until == inf else datetime.fromtimestamp(end.until, UTC).isoformat()
        print_json({"run_id": target.run_id, "host": target.host, "is_paused": True, "ends_at": until})


def resume(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: NamedRun = None,
    host: Host = None,
    everything: Everything = False,  # noqa: FBT002 - this argument is a flag of the command
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    pubsub: Pubsub = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """End the pause of a run, a host or everything. What else is paused stays paused.

    Example: scrapeq resume --host shop.example
    """
    from console.controls import pause as controls  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.acts import operator_name  # noqa: PLC0415 - imports Pub/Sub's slow client
    from console.controls.queue import open_queue  # noqa: PLC0415 - imports Pub/Sub's slow client

    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    target = controls.Target(*_target(ledger, run, host, everything=everything))
    address = address_of(pubsub, data)
    with _changing(terminal, f"Resuming: {target}"), open_queue(address) as queue:
        is_resumed = controls.resume(queue, ledger, target, operator_name(), _worker_url(address, data))
    if is_resumed:
        print_line(terminal, f"{target} is resumed.")
    else:
        print_line(terminal, f"{target} was not paused; nothing was changed.")
    if as_json:
        told = {"run_id": target.run_id, "host": target.host, "is_paused": False, "was_paused": is_resumed}
        print_json(told)


@contextmanager
def _changing(terminal: Console, what: str) -> Iterator[None]:
    try:
        with raise_on_signals(), show_steps(terminal) as announce:
            announce(what)
            yield
    except KeyboardInterrupt:
        print_line(
            terminal,
            "Stopped. It may be in force or not: give the command again, or look at `scrapeq status`.",
        )
        raise typer.Exit(130) from None


def _running_runs(ledger: Ledger) -> str:
    """Return a sentence that names the newest runs with jobs in flight."""
    open_runs = [run for run in run_summaries(ledger, MAX_NAMED_RUNS) if run.in_flight]
    if not open_runs:
        return "No run has jobs in flight."
    return "Running: " + ", ".join(f"{run.run_id} ({run.in_flight} in flight)" for run in open_runs) + "."


def _show_accounting(terminal: Console, run_id: str, accounting: Accounting, *, as_json: bool) -> None:
    print_line(terminal, str(accounting))
    if as_json:
        print_json({"run_id": run_id} | accounting_json(accounting))


def _follow(terminal: Console, ledger: Ledger, run_id: str, *, as_json: bool) -> None:
    recorded = [each.report for each in ledger.dispatches(run_id)] or [DispatchResponse(run_id=run_id)]
    try:
        with raise_on_signals(), show_progress(terminal, sum(each.published for each in recorded)) as show:
            follower = Follower(ledger, recorded, show, warn=lambda text: print_line(terminal, text))
            accounting = follower.follow()
    except KeyboardInterrupt:
        print_line(terminal, f"Stopped watching. Run {run_id} is cancelled.")
        raise typer.Exit(130) from None
    _show_accounting(terminal, run_id, accounting, as_json=as_json)
    if not accounting.adds_up:
        raise typer.Exit(1)


def _target(
    ledger: Ledger, run: str | None, host: str | None, *, everything: bool
) -> tuple[str | None, str | None]:
    """Return the run and the host, one of which or both are None."""
    if (run is not None) + (host is not None) + everything != 1:
        raise UsageError("Name one of these: a run, --host HOST, or --all.")
    if run is not None:
        return ledger.resolve_run(run), None
    return None, None if host is None else _host(host)


def _host(text: str) -> str:
    try:
        return host_of(check_url(text if "://" in text else f"https://{text}/"))
    except ValueError as error:
        raise UsageError(f"--host {text}: {error}.") from None


def _seconds(duration: str | None) -> float:
    if duration is None:
        return inf
    match = _DURATION.fullmatch(duration)
    if match is None or not int(match[1]):
        raise UsageError(f"--for {duration}: write a duration such as 90s, 30m, 2h or 1d.")
    return int(match[1]) * _UNITS[match[2]]


def _named(run_id: str | None, host: str | None) -> str:
    return run_id or (f"--host {host}" if host else "--all")


def _worker_url(address: PubsubAddress, data: Path) -> str:
    """Return the URL of the worker of the running stack, which may differ from that before the pause.

    A deployment keeps the push configuration from before the pause, whatever runs on this machine.
    """
    record = read_stack(data) if address.is_local and is_running(data) else None
    return f"{record.addresses.worker_url}/" if record else ""
