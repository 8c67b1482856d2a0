"""The subcommands `plan`, `dispatch` and `wait`: cost of a crawl, and start and end of its run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Dispatcher, Run, choices, dispatcher_of
from console.cli.limit_watch import watch_limits
from console.dispatch_response import DispatchResponse, added
from console.errors import UsageError
from console.ledger.ledger import Accounting, Ledger
from console.ledger.open_ledger import open_ledger
from console.local_file import dispatch_file
from console.recipes.crawl_file import load_crawl
from console.report.follow import Follower, describe_stack
from console.report.listings import listing_lines
from console.report.plan import RunPlan, plan_lines, plan_run, plan_warnings
from console.report.plan_cost import cost_lines, limit_faults, limit_warnings, plan_json, plan_table
from console.report.run_status import accounting_json
from console.report.tables import dispatched_table, rejected_tables, sources_table
from console.stack.services import AckPolicy, DeliveryPolicy
from console.stack.signals import raise_on_signals
from console.stack.stack_file import read_policy
from console.terminal import open_terminal, print_json, print_line, show_progress
from contract.crawl import Crawl

#: Exit statuses of `wait`. 124 is that of the command `timeout` (GNU coreutils).
NOT_ALL_SUCCEEDED: Final = 3
TIMED_OUT: Final = 124
CONTINUES = (
    "The dispatch continues in further requests, since one is not enough for all URLs. The counts are those "
    "of the first. `scrapeq status` shows those of all requests, and --wait waits for all jobs."
)


def plan(
    crawl_file: Annotated[
        Path, typer.Argument(metavar="CRAWL.yaml", help="The crawl: what to scrape, and how.")
    ],
    ack_policy: Annotated[
        AckPolicy | None,
        typer.Option(
            metavar=choices(AckPolicy),
            help="ACK_POLICY of the worker. Default: that of the last `scrapeq up` in --data.",
        ),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show what a crawl costs: the pages of each host, time, pushes and dollars, and warnings.

    Nothing is sent: the pages of sitemaps and the delay in a robots.txt are not known. The exit status is 2
    if the crawl's limits do not allow the run: `scrapeq dispatch` would refuse it.

    Example: scrapeq plan crawl.yaml
    """
    terminal = open_terminal()
    run_plan = plan_run(load_crawl(crawl_file))
    recorded_policy, delivery = read_policy(data)
    policy, now = ack_policy or recorded_policy, datetime.now(UTC)
    if as_json:
        print_json(plan_json(run_plan, now) | {"warnings": _warnings(run_plan, policy, delivery)})
        _check_limits(run_plan, now)
        return
    print_line(terminal, f"crawl {run_plan.crawl.name}: {run_plan.pages:,} pages from urls and templates")
    if run_plan.hosts:
        terminal.print(plan_table(run_plan))
    for line in (*plan_lines(run_plan), *cost_lines(run_plan, now)):
        print_line(terminal, line)
    _print_warnings(terminal, run_plan, policy, delivery)
    _check_limits(run_plan, now)


def _warnings(run_plan: RunPlan, ack_policy: AckPolicy, delivery: DeliveryPolicy) -> list[str]:
    return [*plan_warnings(run_plan, ack_policy, delivery), *limit_warnings(run_plan)]


def _print_warnings(
    terminal: Console, run_plan: RunPlan, ack_policy: AckPolicy, delivery: DeliveryPolicy
) -> None:
    for warning in _warnings(run_plan, ack_policy, delivery):
        print_line(terminal, f"warning: {warning}")


def _check_limits(run_plan: RunPlan, now: datetime) -> None:
    """Raise a UsageError if the limits of a crawl do not allow its run."""
    if faults := list(limit_faults(run_plan, now)):
        raise UsageError("\n".join(f"refused: {fault}" for fault in faults))


def dispatch_crawl(
    crawl_file: Annotated[
        Path, typer.Argument(metavar="CRAWL.yaml", help="The crawl: what to scrape, and how.")
    ],
    dispatcher: Dispatcher = None,
    wait: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool,
        typer.Option("--wait", help="Wait until all jobs of the run are dispatched, and none is in flight."),
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Start a run: publish a job for every page of a crawl.

    All faults of the file are reported with their lines before anything is sent. If the dispatcher
    responds with 503 or cannot be reached, the request is repeated; a repeated request makes the same jobs.
    The warnings of `scrapeq plan` are shown first, and a crawl whose limits
    do not allow the run is refused. With --wait the exit status is that of `scrapeq wait`.

    Example: scrapeq dispatch crawl.yaml --wait
    """
    terminal = open_terminal(stderr=as_json)
    crawl = load_crawl(crawl_file)
    crawl = crawl.model_copy(update={"run_id": crawl.run_id_at(datetime.now(UTC))})
    url = dispatcher_of(dispatcher, data)
    if wait:
        open_ledger(data).runs()  # raises LedgerError before anything is sent, if there is no ledger
    run_plan = plan_run(crawl)
    _print_warnings(terminal, run_plan, *read_policy(data))
    _check_limits(run_plan, datetime.now(UTC))
    with _stopped_by_ctrl_c(terminal, str(crawl.run_id)):
        dispatched = _dispatch(crawl, url, terminal)
        print_line(terminal, f"run {crawl.run_id}")
        if as_json:
            print_json(reduce(added, dispatched).model_dump(mode="json"))
        else:
            _show(terminal, dispatched)
        if any(each.continues for each in dispatched):
            print_line(terminal, CONTINUES)
        if wait:
            _follow(terminal, open_ledger(data), dispatched, as_json=as_json)


def _show(terminal: Console, dispatched: Sequence[DispatchResponse]) -> None:
    """Print what became of the URLs of a run."""
    total = reduce(added, dispatched)
    terminal.print(dispatched_table(total))
    if (table := sources_table(total)) is not None:
        terminal.print(table)
    for table in rejected_tables(total):
        terminal.print(table)


def _dispatch(crawl: Crawl, dispatcher: str, terminal: Console) -> list[DispatchResponse]:
    """Dispatch a crawl; if its file of URLs is on this machine, in several requests."""
    from console.dispatch import dispatch  # noqa: PLC0415 - imports requests, which only this command needs

    def post(part: Crawl) -> DispatchResponse:
        return dispatch(part, dispatcher, announce=lambda text: print_line(terminal, text))

    file = crawl.sources.urls_file
    if file is None or not file.is_local:
        return [post(crawl)]
    print_line(terminal, f"Dispatching {file.url} as run {crawl.run_id}.")
    try:
        with show_progress(terminal, 0) as show:
            return dispatch_file(crawl, post, show)
    except KeyboardInterrupt:
        print_line(
            terminal,
            f"Stopped; a part of {file.url} is dispatched. To make the same jobs and the rest, dispatch the "
            f"crawl again with run_id: {crawl.run_id}",
        )
        raise typer.Exit(130) from None


def wait(
    run: Run = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Stop waiting after this time. Default: no limit.", min=0),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Wait until all jobs of a run are dispatched, and none is in flight; then show its accounting.

    Ctrl-C stops only the waiting. With --json the progress goes to standard error. The exit status is 0 if
    all jobs have succeeded or were replaced by jobs that have, 3 if some are dead, cancelled or dropped, 1 if
    the accounting does not add up, and 124 if the
    time is over before the run has ended.

    Example: scrapeq wait books-1 --timeout 600
    """
    ledger, terminal = open_ledger(data), open_terminal(stderr=as_json)
    run_id = ledger.resolve_run(run)
    print_line(terminal, f"run {run_id}")
    recorded = [each.report for each in ledger.dispatches(run_id)]
    with _stopped_by_ctrl_c(terminal, run_id):
        _follow(terminal, ledger, recorded or [DispatchResponse(run_id=run_id)], timeout, as_json=as_json)


@contextmanager
def _stopped_by_ctrl_c(terminal: Console, run_id: str) -> Iterator[None]:
    """Say that a run goes on, if Ctrl-C ends the command that has started it or waits for it."""
    with raise_on_signals():
        try:
            yield
        except KeyboardInterrupt:
            print_line(terminal, f"Stopped waiting. Run {run_id} continues.")
            raise typer.Exit(130) from None


def _follow(
    terminal: Console,
    ledger: Ledger,
    dispatched: Sequence[DispatchResponse],
    timeout: float | None = None,
    *,
    as_json: bool = False,
) -> NoReturn:
    """Wait until the run has ended, and print how; if the dispatch had continued, with all its URLs.

    Raises:
        typer.Exit: with the status that `wait` describes.
    """
    run_id = dispatched[0].run_id
    with show_progress(terminal, sum(each.published for each in dispatched)) as show:
        follower = Follower(
            ledger,
            dispatched,
            show,
            warn=lambda text: print_line(terminal, text),
            before_query=watch_limits(ledger, terminal),
            describe_stack=lambda: describe_stack(ledger),
        )
        accounting = follower.follow(timeout)
    if any(each.continues for each in dispatched) and follower.has_all_jobs:
        print_line(terminal, "The dispatch is complete.")
        _show(terminal, follower.dispatched)
    for line in listing_lines(ledger.listings(run_id)):
        print_line(terminal, line)
    if as_json:
        print_json({"run_id": run_id} | accounting_json(accounting))
    else:
        print_line(terminal, str(accounting))
    raise typer.Exit(_exit_status(accounting, has_ended=follower.has_all_jobs and not accounting.in_flight))


def _exit_status(accounting: Accounting, *, has_ended: bool) -> int:
    if not has_ended:
        return TIMED_OUT
    if not accounting.adds_up:
        return 1
    return 0 if accounting.succeeded + accounting.replaced == accounting.dispatched else NOT_ALL_SUCCEEDED
