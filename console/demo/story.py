"""`scrapeq demo`: a site, a stack, one crawl, and what came of it, told in half a minute."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from rich.console import Console

from console.dispatch import Dispatched, dispatch
from console.errors import WrongUsage
from console.ledger.ledger import Accounting, Ledger
from console.recipes.crawl_file import name_run, read_crawl
from console.report.follow import Follower
from console.report.tables import attempt_line, dead_lines, results_table
from console.stack.ports import LOOPBACK, settle_ports
from console.stack.process import Launch, Leash, Process, await_health
from console.stack.services import DeliveryPolicy, StackOptions, without_loopback_proxies
from console.stack.signals import interruptible
from console.stack.stack import Stack
from console.terminal import Announce, progress, say, steps
from contract.crawl import Crawl

SHOWN_RESULTS = 8
RUN_SECONDS = 90.0  #: for the whole run; it takes a fraction of that
PATIENCE = DeliveryPolicy(
    ack_deadline_seconds=20, max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=4
)


def run(keep: Path | None, screen: Console) -> int:
    """Run the demo and return the exit status: 0 where the accounting adds up, 130 after Ctrl-C.

    Args:
        keep: a new directory for the queue, the ledger and the logs; None for one that is removed.
        screen: where it is told.

    Raises:
        Complaint: where something does not start.
    """
    with interruptible():
        try:
            with _data_directory(keep) as data:
                accounting, published = _tell(data, screen)
        except KeyboardInterrupt:
            say(screen, "Stopped before the end; nothing is left running.")
            return 130
    if keep is not None:
        say(screen, f"Kept: `scrapeq status --data {keep}` reads it again.")
    say(screen, str(accounting))
    is_over = accounting.in_flight == 0 and accounting.dispatched == published > 0
    return 0 if is_over and accounting.adds_up else 1


def _tell(data: Path, screen: Console) -> tuple[Accounting, int]:
    with ExitStack() as held:
        with steps(screen) as announce:
            site_url = held.enter_context(_site(data, announce))
        stack = Stack(StackOptions(data=data, delivery=PATIENCE))
        held.callback(stack.stop)
        with steps(screen) as stack.announce:
            stack.start()
            dispatched = _dispatch(stack, site_url)
        stack.announce = lambda text: say(screen, text)
        accounting = _follow(stack, dispatched, screen)
        _show(stack.ledger, dispatched.run_id, screen)
    return accounting, dispatched.published


@contextmanager
def _site(data: Path, announce: Announce) -> Iterator[str]:
    port = settle_ports({"the demo's site": (0, "--port")})["the demo's site"]
    address = f"http://{LOOPBACK}:{port}"
    (data / "logs").mkdir(parents=True, exist_ok=True)
    launch = Launch(
        title="demo's site",
        command=(sys.executable, "-m", "console.demo.site", "--port", str(port)),
        environment=without_loopback_proxies(os.environ),
        log=data.absolute() / "logs" / "site.log",
        health_url=f"{address}/requests.json",
    )
    announce("Starting a small web site to scrape")
    with Leash() as leash:
        process = Process(launch, leash)
        try:
            await_health(process)
            yield address
        finally:
            process.kill()  # it has nothing to lose


def demo_crawl(site_url: str) -> Crawl:
    """Return the demo's crawl of the site at an address."""
    text = (resources.files("console.demo") / "crawl.yaml").read_text("utf-8").replace("${site}", site_url)
    return read_crawl(text.encode(), "crawl.yaml")


def _dispatch(stack: Stack, site_url: str) -> Dispatched:
    stack.announce("Dispatching a crawl of its sitemap")
    crawl = demo_crawl(site_url)
    crawl = crawl.model_copy(update={"run_id": name_run(crawl, datetime.now(UTC))})
    return dispatch(crawl, stack.dispatcher_url, announce=stack.announce)


def _follow(stack: Stack, dispatched: Dispatched, screen: Console) -> Accounting:
    say(screen, f"Run {dispatched.run_id}: {dispatched.published} jobs, from a sitemap.")
    say(screen, "One page recovers at its second attempt, one never does.")
    with progress(screen, dispatched.published) as show:
        follower = Follower(stack.ledger, dispatched.run_id, dispatched.published, show, tend=stack.tend)
        accounting = follower.follow(RUN_SECONDS)
    if accounting.in_flight or accounting.dispatched < dispatched.published:
        say(screen, f"The run was not over after {RUN_SECONDS:g} s.")
    return accounting


def _show(ledger: Ledger, run_id: str, screen: Console) -> None:
    results = ledger.results(run_id)
    say(screen, "\nResults")
    shown = results[:: max(1, len(results) // SHOWN_RESULTS)][:SHOWN_RESULTS]  # of every kind of page some
    screen.print(results_table(shown, screen.width))
    if len(results) > len(shown):
        say(screen, f"and {len(results) - len(shown)} more")
    say(screen, "\nTried again")
    repeated = ledger.repeated(run_id)
    for url in dict.fromkeys(attempt.url for attempt in repeated):
        say(screen, url)
        for attempt in repeated:
            if attempt.url == url:
                say(screen, attempt_line(attempt))
    say(screen, "\nDead letters")
    for job in ledger.dead(run_id):
        for line in dead_lines(job):
            say(screen, line)
    say(screen)


@contextmanager
def _data_directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="scrapeq-demo-", ignore_cleanup_errors=True) as made:
            yield Path(made)
    elif keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise WrongUsage(f"{keep} is not empty; --keep takes a new directory.")
    else:
        yield keep
