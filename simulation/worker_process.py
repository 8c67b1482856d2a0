"""Builds the real worker for one modelled instance, in the same way as `worker/main.py`."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial

from greenlet import getcurrent

import worker.page_slots
import worker.push_delivery
import worker.robots_cache
import worker.shutdown
from contract.job import MAX_ATTEMPTS, Job
from push_endpoint.authentication import accept_any_caller
from push_endpoint.envelope import Envelope
from simulation import virtual_gevent
from simulation.messages import Topic, TopicPublisher
from simulation.push import Push
from simulation.scheduler import Scheduler
from simulation.sites import Site, SiteClient
from worker import main as wiring
from worker.delayed import wait_until_not_before
from worker.fetch import Fetcher
from worker.finished import FinishedMessages
from worker.host_slots import HostSlots
from worker.page_slots import PageSlots
from worker.push_delivery import Delivery, PushConsumer
from worker.rate_limiter import RateLimiter
from worker.scrape import Scraper
from worker.settings import PUBLISH_SECONDS, WorkerSettings
from worker.settlement import MAX_PUBLISH_SECONDS, Settler
from worker.shutdown import Shutdown

#: Number of messages that are not read again in each delivery: more than a run has, but no more than that,
#: because every run begins with a collection, which looks at all that is kept.
CACHED = 2_000
USER_AGENT = "scrapeq/0.1 (+https://example.com/simulation)"


def install() -> None:
    """Let the worker's modules wait under the virtual clock; the process can then run only simulations."""
    if getattr(worker.push_delivery, "receive", None) is _receive:
        return
    replacements: dict[object, dict[str, object]] = {
        worker.page_slots: {"gevent": virtual_gevent, "Semaphore": virtual_gevent.Semaphore},
        worker.shutdown: {"gevent": virtual_gevent, "Event": virtual_gevent.Event},
        worker.robots_cache: {"Event": virtual_gevent.Event},
        worker.push_delivery: {"receive": _receive},
    }
    for module, names in replacements.items():
        for name, value in names.items():
            if not hasattr(module, name):
                raise AttributeError(f"{module} has no {name}, which the simulation replaces")
            setattr(module, name, value)
    # Most messages and URLs occur in several deliveries.
    setattr(Job, "decode", lru_cache(maxsize=CACHED)(Job.decode))  # noqa: B010 - mypy rejects an assignment
    # Automatic collections would take a third of the time, since a run keeps most of what it makes.
    gc.collect()
    gc.freeze()
    gc.disable()


def _receive(authenticate: object, authorization: str, read_body: object) -> Envelope:
    """Return the push of the calling greenlet: tokens and envelopes are not a part of the simulation."""
    del authenticate, authorization, read_body
    push: Push = getcurrent().push
    message = push.message
    return Envelope(
        data=message.data,
        attributes=message.attributes,
        message_id=str(push.message_id),
        ordering_key=message.ordering_key,
        delivery_attempt=push.attempt,
    )


@dataclass(frozen=True)
class Surroundings:
    """What the worker of every instance uses.

    Attributes:
        scheduler: the clock.
        settings: the worker's settings.
        sites: host → site.
        jobs: the jobs topic.
        outcomes: the outcomes topic.
        dead_letters: the dead-letter topic.
        watch: called with each delivery that has ended.
    """

    scheduler: Scheduler
    settings: WorkerSettings
    sites: dict[str, Site]
    jobs: Topic
    outcomes: Topic
    dead_letters: Topic
    watch: Callable[[Push, Delivery], None]


class WorkerProcess:
    """The worker in one instance.

    Args:
        surroundings: what it uses.
        number: the number of the instance.
        clock_error: seconds by which its clock of the wall is fast.

    Attributes:
        clock_error: the argument.
    """

    def __init__(self, surroundings: Surroundings, number: int, clock_error: float) -> None:
        self.clock_error = clock_error
        self._surroundings = surroundings
        self._shutdown = Shutdown()
        self._scheduler = surroundings.scheduler
        settings = surroundings.settings
        self._consumer = PushConsumer(
            authenticate=accept_any_caller,
            scraper=self._make_scraper(number),
            settler=self._make_settler(),
            max_deliveries=settings.max_attempts if settings.ack_policy == "success" else MAX_ATTEMPTS,
            finished=FinishedMessages(),
            clock=virtual_gevent.monotonic,
        )

    def deliver(self, push: Push) -> int:
        """Handle a push, and return the HTTP status of the response."""
        delivery = self._consumer.deliver("", bytes, received_at=virtual_gevent.monotonic())
        if delivery.error is not None:
            raise delivery.error
        self._surroundings.watch(push, delivery)
        return delivery.status

    def terminate(self) -> None:
        """React to SIGTERM."""
        self._shutdown.begin()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._scheduler.now + self.clock_error, UTC)

    def _make_scraper(self, number: int) -> Scraper:
        settings = self._surroundings.settings
        client = SiteClient(self._surroundings.sites)
        rate_limiter = RateLimiter(
            client,  # type: ignore[arg-type]  # it has the same method `send`
            USER_AGENT,
            slots=HostSlots(),
            clock=virtual_gevent.monotonic,
            now=self._now,
            sleep=self._shutdown.wait,
        )
        fetcher = Fetcher(
            client,  # type: ignore[arg-type]  # it has the same method `send`
            rate_limiter,
            max_bytes=settings.fetch_max_bytes,
            max_redirects=settings.fetch_max_redirects,
        )
        return Scraper(
            fetch=fetcher.fetch,
            page_budget_seconds=settings.page_budget_seconds,
            wait_budget_seconds=settings.wait_budget_seconds,
            hold_seconds=partial(wiring._hold_seconds, settings, self._shutdown),  # noqa: SLF001 - the real limit
            now=self._now,
            name=f"simulation/{number}",
            delay=partial(wait_until_not_before, now=self._now, sleep=self._shutdown.wait),
            running=self._shutdown.attempt,
            activity=PageSlots(settings.page_concurrency).activity,
            clock=virtual_gevent.monotonic,
        )

    def _make_settler(self) -> Settler:
        surroundings, settings = self._surroundings, self._surroundings.settings
        return Settler(
            ack_policy=wiring._make_ack_policy(settings),  # noqa: SLF001 - the real choice of the policy
            outcomes_publisher=TopicPublisher(surroundings.outcomes, MAX_PUBLISH_SECONDS),
            jobs_publisher=TopicPublisher(surroundings.jobs, MAX_PUBLISH_SECONDS, retries=False),
            dead_letter_publisher=TopicPublisher(
                surroundings.dead_letters, MAX_PUBLISH_SECONDS, retries=False
            ),
            request_seconds=settings.request_timeout_seconds,
            publish_seconds=PUBLISH_SECONDS / 2,
            clock=virtual_gevent.monotonic,
            now=self._now,
            hold=self._shutdown.hold,
            unreadable_after=settings.max_attempts if settings.ack_policy == "settled" else None,
        )
