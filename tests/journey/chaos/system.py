"""Runs a stack and a site for one chaos run: dispatches its jobs, and waits until every job has ended."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from console.ledger.ledger import Accounting
from console.stack.ports import free_port
from console.stack.pubsub_setup import subscription_path
from console.stack.services import AckPolicy, DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.topology import LEDGER_SUBSCRIPTIONS, PUSH_SUBSCRIPTION
from dispatcher.schedule import SCHEDULE_TIME
from localpubsub.push.backoff import MAX_PAUSE
from tests.journey.chaos.clock_files import prepare_clock
from tests.journey.chaos.publish_proxy import PublishFaults, running_publish_proxy
from tests.journey.chaos.site import SiteClient, pages, running_chaos_site
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for

RUN_AT = (
    "2026-01-01T03:00:00Z"  #: the scheduled time of the trigger, so that repeating it makes the same jobs
)
CRAWL = "chaos"
RUN_ID = f"{CRAWL}-{RUN_AT}"
RECIPE = {"name": "page", "fields": {"title": {"css": "h1", "required": True}}}
#: The stack's times, so short that a run takes a minute. A busy machine needs the page budget.
DELIVERY = DeliveryPolicy(
    ack_deadline_seconds=30, max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=4
)
SETTINGS = {
    "PAGE_BUDGET_SECONDS": "8",
    "PAGE_CONCURRENCY": "16",
    "RETRY_MINIMUM_BACKOFF_SECONDS": "0.2",
    "RETRY_MAXIMUM_BACKOFF_SECONDS": "4",
}
TRIGGER_SECONDS = 240.0  #: timeout of one trigger of the dispatch
TRIGGER_PAUSE_SECONDS = 0.5  #: pause before a failed trigger is repeated
#: Longest time of a run; a run that hangs is reported and not waited for. If only pages that fail are left,
#: pushes pause for up to a minute between their attempts, as on Pub/Sub.
MAX_RUN_SECONDS = 1800.0
BACKLOG_SECONDS = 10  #: longest time that one request for the backlog waits; a page takes less
LEDGER_SECONDS = 2  #: seconds in which rows are written, if their acknowledgement is not lost
MAX_LEASE_SECONDS = 601  #: seconds after which each lease has expired


@dataclass(frozen=True)
class Conditions:
    """How the stack of a run differs from the usual one.

    Attributes:
        page_seconds: longest time that a healthy page takes.
        poison: kinds of pages that cannot succeed, each with its share of all pages.
        settings: settings of the services.
        pubsub_arguments: arguments of localpubsub; `{seed}` is the seed.
        has_proxy: whether the services publish through a proxy that can fail.
        delivery: how jobs are delivered and retried.
        shifted_clocks: services whose clocks can be set.
    """

    page_seconds: float = 0.005
    poison: Sequence[tuple[str, float]] = (("missing", 0.04), ("broken", 0.02), ("empty", 0.04))
    settings: Mapping[str, str] = field(default_factory=dict)
    pubsub_arguments: tuple[str, ...] = ()
    has_proxy: bool = False
    delivery: DeliveryPolicy = DELIVERY
    shifted_clocks: tuple[str, ...] = ()


class System:
    """A stack, its site, and what is known about the run without asking the ledger.

    Attributes:
        stack: the stack.
        site: the site.
        pages: the URL of each job, with the kind of its page.
        faults: what happens to publishes of outcomes.
        injected: number of faults so far.
        acknowledged: number of jobs that the dispatcher has confirmed; 0 until then.
        triggers: number of triggers of the dispatch so far.
        is_awaited: whether an injection has more to do after all jobs have ended.
    """

    def __init__(
        self, stack: Stack, site: SiteClient, pages: Mapping[str, str], faults: PublishFaults
    ) -> None:
        self.stack = stack
        self.site = site
        self.pages = pages
        self.faults = faults
        self.injected = 0
        self.acknowledged = 0
        self.triggers = 0
        self.is_awaited = False
        self._earlier_deliveries = 0
        self._is_over = False
        self._dispatching: Future[None] | None = None
        self._session = requests.Session()
        self._session.trust_env = False

    @property
    def jobs(self) -> int:
        """Number of jobs of the run."""
        return len(self.pages)

    def accounting(self) -> Accounting:
        """Return the accounting of the run."""
        return self.stack.ledger.accounting(RUN_ID)

    def start_dispatch(self, threads: ThreadPoolExecutor) -> None:
        """Trigger the dispatch in a thread, as Cloud Scheduler does: again until it succeeds."""
        self.site.control(urls=list(self.pages))
        self._dispatching = threads.submit(self._dispatch)

    def is_finished(self) -> bool:
        """Return whether all jobs have ended, and no injection waits for this.

        Raises:
            AssertionError: the dispatch has failed for good.
        """
        return self.has_ended() and not self.is_awaited

    def has_ended(self) -> bool:
        """Return whether all jobs were dispatched and have ended.

        Raises:
            AssertionError: the dispatch has failed for good.
        """
        if self._dispatching is None or not self.is_dispatched():
            return False
        self._dispatching.result()
        now = self.accounting()
        return now.dispatched >= self.jobs and not now.in_flight and not now.missing

    def is_dispatched(self) -> bool:
        """Return whether the dispatch is over; nothing is triggered any more."""
        return self._dispatching is not None and self._dispatching.done()

    def mend(self) -> None:
        """Let every page be a healthy one from now on."""
        self.pages = dict.fromkeys(self.pages, "page")
        self.site.control(mended=True)

    def abandon(self) -> None:
        """Trigger no further dispatch."""
        self._is_over = True

    def kill_pubsub(self) -> None:
        """End localpubsub by SIGKILL, and start it again."""
        self._earlier_deliveries += self._counted_deliveries()
        self.stack.process("pubsub").kill()
        self.stack.start_pubsub()

    def deliveries(self) -> int:
        """Return how often a job was pushed so far."""
        return self._earlier_deliveries + self._counted_deliveries()

    def revive(self) -> None:
        """Start the services that have ended."""
        for name, start in (
            ("pubsub", self.stack.start_pubsub),
            ("worker", self.stack.start_worker),
            ("dispatcher", self.stack.start_dispatcher),
        ):
            if self.stack.process(name).exit_status is not None:
                start()

    def drain(self) -> None:
        """Wait until nothing is left in the queue, so that no later delivery changes what is judged."""
        wait_for(self._push_backlog, lambda left: left == 0, f"{PUSH_SUBSCRIPTION} is empty")
        wait_for(self._ledger_backlog, lambda left: left == 0, "the ledger has everything")

    def advance(self, seconds: float) -> None:
        """Let time pass on the clock of localpubsub."""
        self.pubsub("POST", "/clock", json={"advance": seconds})

    def pubsub(self, method: str, path: str, **arguments: Any) -> requests.Response:  # noqa: ANN401 - those of requests
        """Send a request to localpubsub's HTTP port."""
        url = f"{self.stack.addresses.pubsub_http_url}{path}"
        response = self._session.request(method, url, timeout=MAX_WAIT_SECONDS, **arguments)
        response.raise_for_status()
        return response

    def _push_backlog(self) -> int:
        left = self._backlog(PUSH_SUBSCRIPTION, BACKLOG_SECONDS)
        if left:
            # A job that has ended is tried once more, because its worker was killed before it answered. Only
            # failures remain then, so the pushes pause for up to a minute between two attempts.
            self.advance(MAX_PAUSE)
        return left

    def _ledger_backlog(self) -> int:
        left = sum(self._backlog(name, LEDGER_SECONDS) for name in LEDGER_SUBSCRIPTIONS.values())
        if left:
            # An acknowledgement of rows was lost, perhaps for the second time; their lease is a long one.
            self.advance(MAX_LEASE_SECONDS)
        return left

    def _backlog(self, name: str, wait: int) -> int:
        path = f"/backlog?subscription={subscription_path(name)}&wait={wait}"
        return int(self.pubsub("GET", path).json()["backlog"])

    def _counted_deliveries(self) -> int:
        lines = self.pubsub("GET", "/metrics").text.splitlines()
        found = [line for line in lines if "deliveries_total{" in line and f'/{PUSH_SUBSCRIPTION}"' in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in found if "cancelled" not in line)

    def _dispatch(self) -> None:
        crawl = {
            "name": CRAWL,
            "sources": {"urls_file": {"url": self.site.url("/urls.txt")}},
            "recipe": RECIPE,
            "limits": {"max_jobs": self.jobs},
        }
        while not self._is_over:
            self.triggers += 1
            try:
                response = requests.post(
                    self.stack.dispatcher_url,
                    json=crawl,
                    headers={SCHEDULE_TIME: RUN_AT},
                    timeout=TRIGGER_SECONDS,
                )
            except requests.RequestException:
                time.sleep(TRIGGER_PAUSE_SECONDS)
                continue
            body = json.loads(response.content)
            if response.status_code == 200 and not body.get("unread_count"):
                self.acknowledged = int(body["published"])
                return
            assert response.status_code in {200, 503}, body
            time.sleep(TRIGGER_PAUSE_SECONDS)


@contextmanager
def running_system(data: Path, conditions: Conditions, jobs: int, seed: int) -> Iterator[System]:
    """Run a stack and a site until the block ends.

    Args:
        data: directory of the queue, the ledger and the logs.
        conditions: how the stack differs from the usual one.
        jobs: number of jobs.
        seed: of the site and of all injected faults.
    """
    faults = PublishFaults()
    with ExitStack() as cleanup:
        site = cleanup.enter_context(running_chaos_site(seed, conditions.page_seconds))
        port = free_port()
        settings = {**SETTINGS, **conditions.settings}
        if conditions.has_proxy:
            target = f"127.0.0.1:{port}"
            proxy = cleanup.enter_context(running_publish_proxy(target, faults, seed))
            settings["PUBSUB_EMULATOR_HOST"] = proxy
        options = StackOptions(
            data=data,
            pubsub_port=port,
            delivery=conditions.delivery,
            ack_policy=AckPolicy.SETTLED,
            concurrency=100,
            environment=settings,
            service_environments={each: prepare_clock(data, each) for each in conditions.shifted_clocks},
            pubsub_arguments=tuple(each.format(seed=seed) for each in conditions.pubsub_arguments),
        )
        stack = cleanup.enter_context(Stack(options))
        yield System(stack, site, pages(site, seed, jobs, conditions.poison), faults)
