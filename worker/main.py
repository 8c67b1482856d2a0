"""The worker's wiring: the only place that knows both sides."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import flask
import gevent
import grpc.experimental.gevent
from gevent import monkey

from guarded_http.client import make_client
from publishing.publisher import PubSubPublisher
from push_endpoint.authentication import authentication
from runtime import log
from runtime.settings import load_or_exit, log_allowed_networks
from worker.app import make_app
from worker.budget import Budget
from worker.delayed import DelayedJobs
from worker.deliver import Worker
from worker.fetch import Fetcher
from worker.rate_limiter import RateLimiter
from worker.settings import PUBLISH_SECONDS, WorkerSettings
from worker.settled_policy import Settlement
from worker.shared_memory import HOSTS
from worker.shutdown import Shutdown


def create_app() -> flask.Flask:
    """Return the application; gunicorn calls this in each of its processes, after the fork."""
    settings = load_or_exit(WorkerSettings)
    log.configure(on_cloud_run=bool(settings.k_service), project=settings.google_cloud_project)
    shutdown = Shutdown()
    shutdown.on_sigterm()
    return make_app(wire(settings, shutdown))


def wire(settings: WorkerSettings, shutdown: Shutdown) -> Worker:
    """Return a worker on the real network and the real Pub/Sub."""
    if monkey.is_module_patched("socket"):
        # gRPC's own threads would block gevent's loop: https://grpc.github.io/grpc/python/grpc.html
        grpc.experimental.gevent.init_gevent()
    web = make_client(settings.user_agent, settings.fetch_allow_networks)
    log_allowed_networks(settings)
    fetcher = Fetcher(
        web,
        RateLimiter(web, settings.user_agent, hosts=HOSTS),
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
    )
    settles = settings.ack_policy == "settled"
    # Two confirmations, one after the other, in the time that is kept for them.
    publisher = PubSubPublisher(
        settings.google_cloud_project,
        settings.outcomes_topic,
        timeout_seconds=PUBLISH_SECONDS / (2 if settles else 1),
        batch_seconds=0.01,
    )
    # A quarter of this process's places: sites that ask to be left alone must not keep all others waiting.
    places = max(1, settings.concurrency // (4 * settings.web_concurrency))
    worker = Worker(
        authenticate=authentication(settings),
        fetch=fetcher.fetch,
        publisher=publisher,
        page_budget_seconds=settings.page_budget_seconds,
        limit=partial(_limit, shutdown),
        now=_now,
        name=f"{settings.k_revision}/{os.getpid()}",
        await_due=DelayedJobs(places=places, holds=settles, now=_now).wait,
    )
    if not settles:
        return worker
    letters, jobs = publisher.for_topic(settings.dead_letter_topic), publisher.for_topic(settings.jobs_topic)
    return replace(worker, settle=Settlement(letters, jobs, _now).settle)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _limit(shutdown: Shutdown, budget: Budget) -> Iterator[None]:
    """End whatever outlasts the budget or the process, be it a name's resolution or a dripping header."""
    with shutdown.attempt(), gevent.Timeout(budget.left(), budget.spent()):
        yield
