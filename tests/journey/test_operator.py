"""A journey of an operator: jobs succeed, are retried and die, and the operator brings the dead ones home."""

import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from werkzeug import Request, Response

from console.ledger.dead_letter_rows import DeadLetter, dead_letters
from console.ledger.ledger import Accounting
from console.stack.pubsub_setup import publisher_client, topic_path
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.topology import JOBS_TOPIC
from tests.console.command import run_scrapeq
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.http_server import serving
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

RECIPE = {"name": "product", "fields": {"price": {"css": ".price", "type": "number", "required": True}}}
MENDED = {
    "name": "product",
    "fields": {"price": {"css": ".price, .cost", "type": "number", "required": True}},
}
OLD_PAGES, NEW_PAGES = 4, 3


@dataclass
class Shop:
    """A shop whose pages under /new have another markup; /flaky fails once, /gone is missing, /slow waits.

    Attributes:
        slow_is_requested: set when the page /slow is requested.
        may_respond: the page /slow waits until it is set.
        flaky_requests: number of requests for /flaky.
    """

    slow_is_requested: threading.Event = field(default_factory=threading.Event)
    may_respond: threading.Event = field(default_factory=threading.Event)
    flaky_requests: int = 0

    def respond(self, request: Request) -> Response:
        """Return a page."""
        if request.path in {"/robots.txt", "/gone"}:
            return Response("missing", 404)
        if request.path == "/flaky":
            self.flaky_requests += 1
            if self.flaky_requests == 1:
                return Response("busy", 503)
        if request.path == "/slow":
            self.slow_is_requested.set()
            self.may_respond.wait(MAX_WAIT_SECONDS)
        kind = "cost" if request.path.startswith("/new") else "price"
        return Response(f"<h1>x</h1><p class={kind}>9.50</p>", content_type="text/html")


@contextmanager
def running_shop() -> Iterator[tuple[Shop, str]]:
    """Serve a shop; yield it and its address."""
    shop = Shop()
    with serving(shop.respond) as url:
        try:
            yield shop, url
        finally:
            shop.may_respond.set()


def scrapeq(stack: Stack, *words: object) -> str:
    """Run `scrapeq` on the stack; return its output."""
    done = run_scrapeq(*words, "--data", stack.options.data)
    assert done.exit_code == 0, done.output
    return done.stdout


def run_shown(printed: str, pattern: str) -> str:
    """Run the command that the output of `dead list` shows; return its output."""
    command = re.search(pattern, printed)
    assert command, printed
    done = run_scrapeq(*shlex.split(command[1]))
    assert done.exit_code == 0, done.output
    return done.stdout


def reasons_of(letters: list[DeadLetter]) -> list[str]:
    """Return the reasons of dead letters."""
    return [letter.reason for letter in letters]


def has_fewer_dead(before: Accounting, now: Accounting) -> bool:
    """Return whether dead letters have become jobs since `before`."""
    return now.dead_infrastructure < before.dead_infrastructure


def await_end(stack: Stack, run_id: str, jobs: int) -> Accounting:
    """Wait until all jobs have ended, and replay what died of the infrastructure, for example of the kill."""
    while True:
        ended = await_accounting(stack, run_id, lambda now: now.dispatched == jobs and not now.in_flight)
        if not ended.dead_infrastructure:
            return ended
        scrapeq(stack, "dead", "replay", run_id, "--infrastructure")
        await_accounting(stack, run_id, partial(has_fewer_dead, ended))


def test_an_operator_brings_the_dead_pages_home(tmp_path: Path) -> None:
    """Retries, failures, a killed worker and an unreadable message end in one result for each page."""
    delivery = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=2)
    options = StackOptions(data=tmp_path / "data", delivery=delivery, worker_processes=1)
    with running_shop() as (shop, url), Stack(options) as stack:
        # Given a run in which a worker is killed, and a message that is no job
        pages = [f"{url}/old/{n}" for n in range(OLD_PAGES)] + [f"{url}/flaky", f"{url}/slow"]
        changed = [f"{url}/new/{n}" for n in range(NEW_PAGES)]
        run_id = dispatch(stack.dispatcher_url, [*pages, *changed, f"{url}/gone"], recipe=RECIPE)
        assert shop.slow_is_requested.wait(MAX_WAIT_SECONDS)
        stack.process("worker").kill()
        shop.may_respond.set()
        stack.start_worker()
        with publisher_client(stack.pubsub_host) as publisher:
            publisher.publish(topic_path(JOBS_TOPIC), b"no job").result(timeout=60)
        # Then all jobs end, the accounting adds up, and the reasons are right
        ended = await_end(stack, run_id, len(pages) + NEW_PAGES + 1)
        assert ended.adds_up
        assert (ended.succeeded, ended.dead) == (len(pages), NEW_PAGES + 1)
        listed = scrapeq(stack, "dead", "list", run_id)
        assert f"missing_field at 127.0.0.1: {NEW_PAGES} dead letters" in listed
        assert "http_404 at 127.0.0.1: 1 dead letter" in listed
        # When the recipe is mended, and the dead pages are replayed with it, as the list says
        mended = tmp_path / "mended.json"
        mended.write_text(json.dumps(MENDED))
        shown = listed.replace("CRAWL.yaml", str(mended))
        assert f"replayed {NEW_PAGES}, left 0" in run_shown(
            shown, r"command: scrapeq (dead replay --recipe .*)"
        )
        # Then they come home
        home = await_accounting(stack, run_id, lambda now: now.succeeded == len(pages) + NEW_PAGES)
        assert (home.adds_up, home.replaced, home.dead) == (True, NEW_PAGES, 1)
        # And when the page that is gone and the unreadable message are dropped, nothing is dead
        run_shown(listed.replace("dead drop", "dead drop --yes"), r"command: scrapeq (dead drop .*)")
        wait_for(lambda: dead_letters(stack.ledger), lambda found: reasons_of(found) == ["bad_job"])
        scrapeq(stack, "dead", "drop", "--all-runs", "--where", "reason=bad_job", "--yes")
        wait_for(lambda: dead_letters(stack.ledger), lambda found: not found)
        final = await_accounting(stack, run_id, lambda now: now.dropped == 1)
        assert (final.adds_up, final.dead, final.in_flight) == (True, 0, 0)
        # And each page has one row
        results = list(stack.ledger.results(run_id))
        assert sorted(result.url for result in results) == sorted([*pages, *changed])
        assert all(result.items == [{"price": 9.5}] for result in results)
