"""Builds the worker from its settings, with the real network and the real Pub/Sub."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import flask
import gevent
import grpc.experimental.gevent
from gevent import monkey

from guarded_http.client import make_client
from publishing.publisher import PubSubPublisher
from push_endpoint.authentication import make_authenticator
from runtime import log
from runtime.settings import load_or_exit, log_allowed_networks
from worker.ack_policy import AckPolicy, SettledPolicy, success_policy
from worker.app import make_app
from worker.budget import PageBudget
from worker.delayed import DelayedJobs
from worker.fetch import Fetcher
from worker.push_delivery import PushConsumer
from worker.rate_limiter import RateLimiter
from worker.scrape import Scraper
from worker.settings import PUBLISH_SECONDS, WorkerSettings
from worker.shared_memory import HOST_SLOTS
from worker.shutdown import Shutdown


def create_app() -> flask.Flask:
    """Return the application; gunicorn calls this in each of its processes, after the fork."""
    settings = load_or_exit(WorkerSettings)
    log.configure(on_cloud_run=bool(settings.k_service), project=settings.google_cloud_project)
    shutdown = Shutdown()
    shutdown.on_sigterm()
    return make_app(make_consumer(settings, shutdown))


def make_consumer(settings: WorkerSettings, shutdown: Shutdown) -> PushConsumer:
    """Return a consumer that uses the real network and the real Pub/Sub."""
    if monkey.is_module_patched("socket"):
        # gRPC's own threads would block gevent's loop: https://grpc.github.io/grpc/python/grpc.html
        grpc.experimental.gevent.init_gevent()
    publisher = PubSubPublisher(
        settings.google_cloud_project,
        settings.outcomes_topic,
        # With ACK_POLICY=settled two messages may be published in succession, so each gets half the time.
        timeout_seconds=PUBLISH_SECONDS / (2 if settings.ack_policy == "settled" else 1),
        batch_seconds=0.01,
    )
    return PushConsumer(
        authenticate=make_authenticator(settings),
        scraper=_make_scraper(settings, shutdown),
        outcomes_publisher=publisher,
        ack_policy=_make_ack_policy(settings, publisher),
    )


def _make_scraper(settings: WorkerSettings, shutdown: Shutdown) -> Scraper:
    client = make_client(settings.user_agent, settings.fetch_allow_networks)
    log_allowed_networks(settings)
    fetcher = Fetcher(
        client,
        RateLimiter(client, settings.user_agent, slots=HOST_SLOTS),
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
    )
    # Jobs that wait for the end of a Retry-After may take only a quarter of this process's concurrency slots,
    # so that the other slots remain free for jobs of other sites.
    slots = max(1, settings.concurrency // (4 * settings.web_concurrency))
    delayed_jobs = DelayedJobs(slots=slots, requeues=settings.ack_policy == "settled", now=_now)
    return Scraper(
        fetch=fetcher.fetch,
        page_budget_seconds=settings.page_budget_seconds,
        time_limit=partial(_time_limit, shutdown),
        now=_now,
        name=f"{settings.k_revision}/{os.getpid()}",
        delay=delayed_jobs.wait_until_not_before,
    )


def _make_ack_policy(settings: WorkerSettings, publisher: PubSubPublisher) -> AckPolicy:
    if settings.ack_policy == "success":
        return success_policy
    return SettledPolicy(
        dead_letter_publisher=publisher.for_topic(settings.dead_letter_topic),
        jobs_publisher=publisher.for_topic(settings.jobs_topic),
        now=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _time_limit(shutdown: Shutdown, budget: PageBudget) -> Iterator[None]:
    """End the attempt when its budget is spent or the process shuts down, even inside a DNS lookup."""
    with shutdown.attempt(), gevent.Timeout(budget.remaining(), budget.exceeded()):
        yield
