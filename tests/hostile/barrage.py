"""Pushes hostile pairs of recipes and pages to a worker process, and healthy jobs beside them."""

import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import NamedTuple

import localpubsub
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from tests.hostile.pages import PAGES
from tests.hostile.pairs import HostilePair
from tests.servers.pubsub_client import connect
from tests.servers.pushes import job, push
from tests.servers.site import Site, http, running_site
from tests.servers.worker_process import (
    OUTCOMES_SUBSCRIPTION,
    OUTCOMES_TOPIC,
    WorkerProcess,
    running_worker,
)

#: How a hostile page may end. Any other reason blames the worker, or says nothing.
REASONS = frozenset(
    {
        Reason.OK,
        Reason.TOO_LARGE,
        Reason.PAGE_BUDGET_EXCEEDED,
        Reason.MISSING_FIELD,
        Reason.BAD_VALUE,
        Reason.BAD_RECIPE,
        Reason.CHARSET,
    }
)
#: What a detail of a killed extraction ends with: the place of the recipe at which it was killed.
WHERE = re.compile(r"it was extracting (value|items|next|the page|the JSON of the items|f\d+)$")
BUDGET_SECONDS = (
    240.0  #: page budget; a page that is killed at its CPU limit takes far less on an idle machine
)
#: Seconds between the end of an attempt's budget and its outcome; large, because a busy machine is slow.
MARGIN_SECONDS = 60.0
HEALTHY_JOBS = 10
PARALLEL_PUSHES = 6


class Barrage(NamedTuple):
    """What came of a barrage.

    Attributes:
        outcomes: for each job id, its outcomes.
        statuses: for each job id, the HTTP status of its push.
        pairs: for each job id of a hostile pair, the pair.
        healthy: the job ids of the healthy jobs.
        health: the HTTP statuses of /healthz meanwhile.
        output: the lines that the worker wrote.
    """

    outcomes: dict[str, list[OutcomeRecord]]
    statuses: dict[str, int]
    pairs: dict[str, HostilePair]
    healthy: list[str]
    health: Counter[int]
    output: list[str]

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each hostile pair that did not end as it must."""
        for job_id, pair in self.pairs.items():
            outcomes = self.outcomes.get(job_id, [])
            if len(outcomes) != 1:
                yield f"{pair.name} has {len(outcomes)} outcomes"
                continue
            [outcome] = outcomes
            if outcome.reason not in REASONS:
                yield f"{pair.name} ended with {outcome.reason}: {outcome.detail}"
            if "needs more than" in outcome.detail and not WHERE.search(outcome.detail):
                yield f"{pair.name} does not say where it ended: {outcome.detail}"
            if outcome.total_seconds > BUDGET_SECONDS + MARGIN_SECONDS:
                yield f"{pair.name} took {outcome.total_seconds} s"
            if (self.statuses[job_id] == 204) != (outcome.reason is Reason.OK):
                yield f"{pair.name} was answered with {self.statuses[job_id]} and ended with {outcome.reason}"


def run_barrage(pairs: Sequence[HostilePair], size: int, cpu_seconds: float) -> Barrage:
    """Push hostile pairs and healthy jobs to a worker, and return what came of them."""
    with running_pubsub() as host, running_site() as site:
        settings = {
            "EXTRACTION_CPU_SECONDS": str(cpu_seconds),
            "PAGE_BUDGET_SECONDS": str(BUDGET_SECONDS),
            "WAIT_BUDGET_SECONDS": "240",
            "CONCURRENCY": "80",
        }
        with running_worker(host, **settings) as worker:
            health, statuses, hostile, healthy = _push_all(worker, site, pairs, size)
        return Barrage(_outcomes(host, len(statuses)), statuses, hostile, healthy, health, worker.output)


@contextmanager
def running_pubsub() -> Iterator[str]:
    """Run a Pub/Sub server with the outcomes topic and a subscription to it; yield its host:port."""
    setup = {
        "topics": [OUTCOMES_TOPIC],
        "subscriptions": [{"name": OUTCOMES_SUBSCRIPTION, "topic": OUTCOMES_TOPIC}],
    }
    with localpubsub.running(setup=setup, log_level="error") as server:
        yield server.host


def _push_all(
    worker: WorkerProcess, site: Site, pairs: Sequence[HostilePair], size: int
) -> tuple[Counter[int], dict[str, int], dict[str, HostilePair], list[str]]:
    health, statuses, ended = Counter[int](), dict[str, int](), Event()
    hostile = {secrets.token_hex(16): pair for pair in pairs}
    healthy = [secrets.token_hex(16) for _ in range(HEALTHY_JOBS)]

    def send(job_id: str, recipe: dict[str, object], body: bytes, content_type: str) -> None:
        url = site.add(f"/{job_id}", http(200, body, content_type=content_type))
        data = job(job_id=job_id, url=url, recipe={"name": "r", **recipe})
        statuses[job_id] = worker.request("POST", "/", push(data, 1, message_id=job_id))[0]
        site.add(f"/{job_id}", http(404))  # frees the page's memory

    def send_pair(job_id: str) -> None:
        page = PAGES[hostile[job_id].page](size)
        send(job_id, hostile[job_id].recipe, page.body, page.content_type)

    def send_healthy(job_id: str) -> None:
        send(job_id, {"fields": {"title": {"css": "h1", "required": True}}}, b"<h1>Faust</h1>", "text/html")

    def watch_health() -> None:
        while not ended.wait(0.1):
            health[worker.request("GET", "/healthz")[0]] += 1

    with ThreadPoolExecutor(PARALLEL_PUSHES) as threads, ThreadPoolExecutor(2) as others:
        others.submit(watch_health)
        sent = [threads.submit(send_pair, job_id) for job_id in hostile]
        for job_id in healthy:  # one after the other, so that they are spread over the barrage
            others.submit(send_healthy, job_id)
        try:
            for each in sent:
                each.result()
        finally:
            ended.set()
    return health, statuses, hostile, healthy


def _outcomes(host: str, count: int) -> dict[str, list[OutcomeRecord]]:
    """Return all published outcomes by their job id; there are at least `count`."""
    outcomes = dict[str, list[OutcomeRecord]]()
    with connect(host) as client:
        messages = [client.pull(OUTCOMES_SUBSCRIPTION, 1)[0] for _ in range(count)]
        messages += client.pull_now(OUTCOMES_SUBSCRIPTION)
    for received in messages:
        outcome = OutcomeRecord.decode(received.message.data)
        outcomes.setdefault(outcome.job_id, []).append(outcome)
    return outcomes
