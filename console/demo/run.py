"""Implements `scrapeq demo`: starts a site and a stack, dispatches one crawl, and shows its results."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from rich.console import Console

from console.dispatch import dispatch
from console.dispatch_response import DispatchResponse
from console.errors import UsageError
from console.ledger.ledger import Accounting, Ledger
from console.private_files import make_private_directory
from console.recipes.crawl_file import read_crawl
from console.report.dead_letters import dead_job_lines
from console.report.follow import Follower
from console.report.tables import attempt_line, results_table
from console.stack.brokers.choice import choose_broker
from console.stack.ports import LOOPBACK, allocate_ports
from console.stack.process import Launch, Process, ProcessWatcher, wait_until_healthy
from console.stack.services import DeliveryPolicy, StackOptions, without_loopback_proxies
from console.stack.signals import raise_on_signals
from console.stack.stack import Stack
from console.terminal import Announce, print_line, show_progress, show_steps
from contract.crawl import Crawl

SHOWN_RESULTS = 8  #: number of results that the demo shows
MAX_RUN_SECONDS = 90.0  #: maximum duration of the run in seconds; most runs end much earlier
#: Policy with short backoffs, so that the retries and the dead letter appear within half a minute.
DEMO_POLICY = DeliveryPolicy(
    ack_deadline_seconds=20, max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=4
)


def run_demo(keep: Path | None, terminal: Console, broker: str = "") -> int:
    """Run the demo; return the exit status: 0 if every job ended and is counted, 130 after Ctrl-C, else 1.

    Args:
        keep: a new directory for the queue, the ledger and the logs; None for a temporary one.
        terminal: where the output is printed.
        broker: the name of the broker that carries the messages; `""` for localpubsub.

    Raises:
        ConsoleError: a service does not start, or the crawl cannot be dispatched.
    """
    with raise_on_signals():
        try:
            with _data_directory(keep) as data:
                accounting, published = _run_in(data, terminal, broker)
        except KeyboardInterrupt:
            print_line(terminal, "Stopped before the end; nothing is left running.")
            return 130
    if keep is not None:
        print_line(terminal, f"The data is kept: `scrapeq status --data {keep}` shows the run again.")
    is_over = accounting.in_flight == 0 and accounting.dispatched == published > 0
    succeeded = is_over and accounting.adds_up
    print_line(terminal, str(accounting), "bold green" if succeeded else "bold red")
    return 0 if succeeded else 1


def _run_in(data: Path, terminal: Console, broker: str) -> tuple[Accounting, int]:
    choose_broker(broker)  # a missing server is reported before anything starts
    with ExitStack() as cleanup:
        with show_steps(terminal) as announce:
            site_url = cleanup.enter_context(_running_site(data, announce))
        stack = Stack(StackOptions(data=data, delivery=DEMO_POLICY, broker=broker))
        cleanup.callback(stack.stop)
        with show_steps(terminal) as stack.announce:
            stack.start()
            dispatched = _dispatch(stack, site_url)
        stack.announce = lambda text: print_line(terminal, text)
        accounting = _follow(stack, dispatched, terminal)
        show_run(stack.ledger, dispatched.run_id, terminal)
    return accounting, dispatched.published


@contextmanager
def _running_site(data: Path, announce: Announce) -> Iterator[str]:
    """Run the demo's site until the context ends; yield its address."""
    port = allocate_ports({"the demo's site": (0, "--port")})["the demo's site"]
    address = f"http://{LOOPBACK}:{port}"
    make_private_directory(data / "logs")
    launch = Launch(
        title="demo's site",
        command=(sys.executable, "-m", "console.demo.site", "--port", str(port)),
        environment=without_loopback_proxies(os.environ),
        log=data.absolute() / "logs" / "site.log",
        health_url=f"{address}/requests.json",
    )
    announce("Starting a small web site to scrape")
    with ProcessWatcher() as watcher:
        process = Process(launch, watcher)
        try:
            wait_until_healthy(process)
            yield address
        finally:
            process.kill()  # the site has no state to save


def demo_crawl(site_url: str) -> Crawl:
    """Return the demo's crawl of the site at `site_url`."""
    text = (resources.files("console.demo") / "crawl.yaml").read_text("utf-8").replace("${site}", site_url)
    return read_crawl(text.encode(), "crawl.yaml")


def _dispatch(stack: Stack, site_url: str) -> DispatchResponse:
    stack.announce("Dispatching a crawl of its sitemap")
    crawl = demo_crawl(site_url)
    crawl = crawl.model_copy(update={"run_id": crawl.run_id_at(datetime.now(UTC))})
    return dispatch(crawl, stack.dispatcher_url, announce=stack.announce)


def _follow(stack: Stack, dispatched: DispatchResponse, terminal: Console) -> Accounting:
    print_line(terminal, f"Run {dispatched.run_id}: {dispatched.published} jobs, from a sitemap.")
    print_line(terminal, "One page succeeds at its second attempt, one always fails.")
    with show_progress(terminal, dispatched.published) as show:
        follower = Follower(stack.ledger, [dispatched], show, before_query=stack.supervise)
        accounting = follower.follow(MAX_RUN_SECONDS)
    if accounting.in_flight or accounting.dispatched < dispatched.published:
        print_line(terminal, f"The run did not end within {MAX_RUN_SECONDS:g} s.")
    return accounting


def show_run(ledger: Ledger, run_id: str, terminal: Console) -> None:
    """Print some results, the retried attempts and the dead letters of a run."""
    results = list(ledger.results(run_id))
    print_line(terminal, "\nResults", "bold")
    step = max(1, len(results) // SHOWN_RESULTS)
    # The results are sorted by URL. Every n-th one is shown, so that all kinds of pages appear.
    shown = results[::step][:SHOWN_RESULTS]
    terminal.print(results_table(shown, terminal.width))
    if len(results) > len(shown):
        print_line(terminal, f"and {len(results) - len(shown)} more")
    print_line(terminal, "\nRetried", "bold")
    attempts = ledger.retried_attempts(run_id)
    for url in dict.fromkeys(attempt.url for attempt in attempts):
        print_line(terminal, url)
        for attempt in attempts:
            if attempt.url == url:
                print_line(terminal, attempt_line(attempt))
    print_line(terminal, "\nDead letters", "bold")
    for job in ledger.dead_jobs(run_id):
        for line in dead_job_lines(job):
            print_line(terminal, line)
    print_line(terminal)


@contextmanager
def _data_directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="scrapeq-demo-", ignore_cleanup_errors=True) as directory:
            yield Path(directory)
    elif keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"{keep} is not empty; --keep takes a new directory.")
    else:
        yield keep
