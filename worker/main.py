"""The worker's wiring: the only place that knows both sides."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import flask
import gevent
import grpc.experimental.gevent
from gevent import monkey

from service import log
from service.publisher import PubSubPublisher
from service.settings import load_or_exit
from service.web import open_web
from worker.app import make_app
from worker.authenticate import Authenticate, OidcCheck, anyone
from worker.budget import Budget
from worker.courtesy import Courtesy
from worker.deliver import Worker
from worker.fetch import Fetcher
from worker.settings import PUBLISH_SECONDS, Settings
from worker.shutdown import Shutdown


def create_app() -> flask.Flask:
    """Return the application; gunicorn calls this in each of its processes, after the fork."""
    settings = load_or_exit(Settings)
    log.configure(on_cloud_run=bool(settings.k_service), project=settings.google_cloud_project)
    shutdown = Shutdown()
    shutdown.on_sigterm()
    return make_app(wire(settings, shutdown))


def wire(settings: Settings, shutdown: Shutdown) -> Worker:
    """Return a worker on the real network and the real Pub/Sub."""
    if monkey.is_module_patched("socket"):
        # gRPC's own threads would block gevent's loop: https://grpc.github.io/grpc/python/grpc.html
        grpc.experimental.gevent.init_gevent()
    web = open_web(settings, connections=settings.concurrency)
    fetcher = Fetcher(
        web,
        Courtesy(web, settings.user_agent),
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
    )
    publisher = PubSubPublisher(
        settings.google_cloud_project,
        settings.outcomes_topic,
        timeout_seconds=PUBLISH_SECONDS,
        batch_seconds=0.01,
    )
    return Worker(
        authenticate=_authentication(settings),
        fetch=fetcher.fetch,
        publisher=publisher,
        page_budget_seconds=settings.page_budget_seconds,
        limit=partial(_limit, shutdown),
        now=lambda: datetime.now(UTC),
        name=f"{settings.k_revision}/{os.getpid()}",
    )


def _authentication(settings: Settings) -> Authenticate:
    if settings.push_auth == "none":
        log.event(log.WARNING, "pushes are not authenticated", {"PUSH_AUTH": "none"})
        return anyone
    import cachecontrol  # noqa: PLC0415 - not needed where anyone may push
    import requests  # noqa: PLC0415 - idem
    from google.auth.transport.requests import Request  # noqa: PLC0415 - idem

    # google-auth fetches the certificates for every token: let HTTP's own rules cache them.
    session = cachecontrol.CacheControl(requests.Session())
    return OidcCheck(
        audience=settings.push_audience,
        service_account=settings.push_service_account,
        certs_url=str(settings.push_certs_url),
        transport=Request(session=session),
    )


@contextmanager
def _limit(shutdown: Shutdown, budget: Budget) -> Iterator[None]:
    """End whatever outlasts the budget or the process, be it a name's resolution or a dripping header."""
    with shutdown.attempt(), gevent.Timeout(budget.left(), budget.spent()):
        yield
