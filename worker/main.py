"""Builds the worker from its settings, with the real network and the real Pub/Sub."""

import gc
import math
import os
import time
from datetime import UTC, datetime
from functools import partial

import gevent
import grpc.experimental.gevent
from gevent import monkey

from contract.job import MAX_ATTEMPTS
from guarded_http.client import make_client
from process_pool.pool import ProcessPool
from publishing.open_publisher import TopicPublisher, open_publisher
from push_endpoint.authentication import make_authenticator
from runtime import log
from runtime.settings import load_or_exit, log_allowed_networks
from worker.ack_policy import AckPolicy, SettledPolicy, success_policy
from worker.app import WorkerApp
from worker.child_extraction import MIB, ChildExtraction, levels
from worker.controls import OperatorControls
from worker.delayed import wait_until_not_before
from worker.extraction_queue import ExtractionQueue
from worker.fetch import Fetcher
from worker.fork_server import FORK_SERVER
from worker.page_slots import PageSlots, PageStarts
from worker.push_delivery import PushConsumer
from worker.rate_limiter import RateLimiter
from worker.robots_cache import FAILURE_CACHE_SECONDS
from worker.scrape import Scraper
from worker.settings import PUBLISH_SECONDS, WorkerSettings
from worker.settlement import MAX_PUBLISH_SECONDS, Settler
from worker.shared_memory import FINISHED_MESSAGES, HOST_SLOTS
from worker.shutdown import Shutdown

#: Seconds for which a job waits for its host when more than half of the slots are taken, and for which a
#: paused job waits, if it is published again afterwards (ACK_POLICY=settled).
SHORT_HOLD_SECONDS = 30.0
#: Pause between two groups of outcomes. An outcome waits for its end, so its push is answered later, but the
#: processor time of sending, in the worker and in the broker, is shared by several outcomes.
OUTCOME_BATCH_SECONDS = 0.05


#: Number of pages for each process that extracts, which may wait for it before no further page starts. Pages
#: that start again when fewer wait arrive only after their site's response time: with 12, the processes had
#: nothing to do for a fifth of the time if a site responds after 200 ms.
WAITING_FOR_EXTRACTION = 48

#: Memory in bytes for the bodies of all pages of more than 256 KiB that an instance works on at one time.
#: With the default of FETCH_MAX_BYTES these are 25 pages; 80 of them would take 400 MiB. Further ones wait.
MAX_LARGE_PAGES_BYTES = 128 * 1024 * 1024


def create_app() -> WorkerApp:
    """Return the application; gunicorn calls this in each of its processes, after the fork."""
    settings = load_or_exit(WorkerSettings)
    log.configure(
        on_cloud_run=bool(settings.k_service),
        project=settings.google_cloud_project,
        hide=settings.request_policy().secrets.hide_in_detail,
    )
    shutdown = Shutdown()
    shutdown.on_sigterm()
    consumer = make_consumer(settings, shutdown)
    app = WorkerApp(consumer, settings.allowed_host_names, settings.egress().waiting_for)
    gc.collect()
    gc.freeze()  # Collections need not look at the libraries, which are most of the objects and stay.
    return app


def make_consumer(settings: WorkerSettings, shutdown: Shutdown) -> PushConsumer:
    """Return a consumer that uses the real network and the real Pub/Sub."""
    if monkey.is_module_patched("socket"):
        # gRPC's own threads would block gevent's loop: https://grpc.github.io/grpc/python/grpc.html
        grpc.experimental.gevent.init_gevent()
    publisher = open_publisher(
        settings.broker_url,
        settings.google_cloud_project,
        settings.outcomes_topic,
        timeout_seconds=MAX_PUBLISH_SECONDS,
        batch_seconds=OUTCOME_BATCH_SECONDS,
    )
    # A job that was sent twice would be scraped twice, and its copies would be copied.
    jobs_publisher = publisher.for_topic(settings.jobs_topic, retries=False)
    controls = OperatorControls(
        jobs_publisher.labels,
        sleep=shutdown.wait,
        max_hold_seconds=SHORT_HOLD_SECONDS if settings.ack_policy == "settled" else math.inf,
    )
    return PushConsumer(
        authenticate=make_authenticator(settings),
        scraper=_make_scraper(settings, shutdown, controls),
        settler=_make_settler(settings, shutdown, publisher, jobs_publisher),
        max_deliveries=settings.max_attempts if settings.ack_policy == "success" else MAX_ATTEMPTS,
        finished=FINISHED_MESSAGES,
    )


def _make_scraper(settings: WorkerSettings, shutdown: Shutdown, controls: OperatorControls) -> Scraper:
    policy = settings.request_policy()
    client = make_client(
        settings.user_agent,
        settings.fetch_allow_networks,
        settings.fetch_refuse_ports,
        dns_servers=settings.dns_servers,
        yield_processor=partial(gevent.sleep, 0),
    )
    log_allowed_networks(settings)
    fetcher = Fetcher(
        client,
        RateLimiter(
            client,
            settings.user_agent,
            slots=HOST_SLOTS,
            sleep=shutdown.wait,
            failure_seconds=min(FAILURE_CACHE_SECONDS, settings.retry_minimum_backoff_seconds),
        ),
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
        policy=policy,
    )
    queue = ExtractionQueue(WAITING_FOR_EXTRACTION * settings.extraction_processes)
    page_slots = PageSlots(
        -(-settings.page_concurrency // settings.web_concurrency),
        max(1, MAX_LARGE_PAGES_BYTES // settings.web_concurrency // settings.fetch_max_bytes),
        PageStarts(queue),
    )
    return Scraper(
        fetch=fetcher.fetch,
        extract=_make_extraction(settings, queue),
        page_budget_seconds=settings.page_budget_seconds,
        wait_budget_seconds=settings.wait_budget_seconds,
        hold_seconds=partial(_hold_seconds, settings, shutdown),
        now=_now,
        name=f"{settings.k_revision}/{os.getpid()}",
        delay=partial(wait_until_not_before, now=_now, sleep=shutdown.wait),
        running=shutdown.attempt,
        controlled=controls.attempt,
        activity=page_slots.activity,
        policy=policy,
    )


def _make_extraction(settings: WorkerSettings, queue: ExtractionQueue) -> ChildExtraction:
    FORK_SERVER.ensure_started()  # it runs already, unless this is not a process of gunicorn
    pool_levels = levels(
        settings.extraction_processes,
        settings.extraction_cpu_seconds,
        settings.extraction_memory_mib * MIB,
    )
    return ChildExtraction(ProcessPool(FORK_SERVER, pool_levels), pool_levels[-1].limits, queue=queue)


def _hold_seconds(settings: WorkerSettings, shutdown: Shutdown) -> float | None:
    """Return for how long the next job may wait for its host; None if only its wait budget limits it.

    If jobs of one slow host filled all slots, the jobs of other hosts could not be delivered. So when more
    than half of the slots are taken, a job waits briefly, and is then published again (ACK_POLICY=settled).
    With `success` it would lose an attempt, so there it waits.
    """
    is_crowded = shutdown.attempts > settings.concurrency / (2 * settings.web_concurrency)
    return SHORT_HOLD_SECONDS if is_crowded and settings.ack_policy == "settled" else None


def _make_settler(
    settings: WorkerSettings, shutdown: Shutdown, publisher: TopicPublisher, jobs_publisher: TopicPublisher
) -> Settler:
    return Settler(
        ack_policy=_make_ack_policy(settings),
        outcomes_publisher=publisher,
        jobs_publisher=jobs_publisher,
        dead_letter_publisher=publisher.for_topic(settings.dead_letter_topic, retries=False),
        request_seconds=settings.request_timeout_seconds,
        publish_seconds=PUBLISH_SECONDS / 2,  # an attempt publishes at most two messages in succession
        clock=time.monotonic,
        now=_now,
        hold=shutdown.hold,
        unreadable_after=settings.max_attempts if settings.ack_policy == "settled" else None,
    )


def _make_ack_policy(settings: WorkerSettings) -> AckPolicy:
    if settings.ack_policy == "success":
        return success_policy
    return SettledPolicy(
        max_attempts=settings.max_attempts,
        minimum_backoff_seconds=settings.retry_minimum_backoff_seconds,
        maximum_backoff_seconds=settings.retry_maximum_backoff_seconds,
    )


def _now() -> datetime:
    return datetime.now(UTC)
