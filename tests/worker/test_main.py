"""Tests how the worker is built from its settings: the chain of time limits, and the policies."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent.event import Event

from contract.attempt import AttemptFailed
from contract.job import MAX_ATTEMPTS, Politeness
from contract.request import PLAIN_GET
from runtime.settings import load
from tests.servers.site import Site, http
from tests.servers.waiting import MAX_WAIT_SECONDS
from worker.ack_policy import SettledPolicy, success_policy
from worker.budget import PageBudget
from worker.fetch import Stopwatch
from worker.main import SHORT_HOLD_SECONDS, make_consumer
from worker.permit import ALWAYS_PERMITTED
from worker.push_delivery import PushConsumer
from worker.settings import WorkerSettings
from worker.shared_memory import FINISHED_MESSAGES
from worker.shutdown import Shutdown


@pytest.fixture(autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    """An environment in which only the required settings are set."""
    with pytest.MonkeyPatch.context() as environment:
        for name in WorkerSettings.model_fields:
            environment.delenv(name.upper(), raising=False)
        environment.setenv("GOOGLE_CLOUD_PROJECT", "p")
        environment.setenv("PUSH_AUTH", "none")
        environment.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
        yield environment


def build(shutdown: Shutdown | None = None) -> PushConsumer:
    """Return the consumer of a worker with the current environment."""
    return make_consumer(load(WorkerSettings), shutdown or Shutdown())


def test_default_time_limits_fit_into_each_other() -> None:
    """The job's waits, its page and both publishes end before the request, which ends before the deadline."""
    consumer, settings = build(), load(WorkerSettings)
    scraper, settler = consumer.scraper, consumer.settler
    assert (scraper.wait_budget_seconds, scraper.page_budget_seconds) == (520, 40)
    budgets = scraper.wait_budget_seconds + scraper.page_budget_seconds
    assert budgets + 2 * settler.publish_seconds <= settler.request_seconds == 570
    assert settler.request_seconds + settings.queue_seconds <= settings.ack_deadline_seconds == 600


def test_success_leaves_dead_letters_to_pubsub(environment: pytest.MonkeyPatch) -> None:
    """With ACK_POLICY=success Pub/Sub dead-letters each job after MAX_ATTEMPTS deliveries."""
    environment.setenv("MAX_ATTEMPTS", "7")
    consumer = build()
    assert consumer.settler.ack_policy is success_policy
    assert (consumer.max_deliveries, consumer.settler.unreadable_after) == (7, None)
    assert consumer.finished is FINISHED_MESSAGES


def test_settled_counts_attempts_itself(environment: pytest.MonkeyPatch) -> None:
    """With ACK_POLICY=settled the policy has the settings of the retries, and Pub/Sub's maximum is high."""
    environment.setenv("ACK_POLICY", "settled")
    environment.setenv("MAX_ATTEMPTS", "7")
    environment.setenv("RETRY_MINIMUM_BACKOFF_SECONDS", "3")
    environment.setenv("RETRY_MAXIMUM_BACKOFF_SECONDS", "9")
    consumer = build()
    assert consumer.settler.ack_policy == SettledPolicy(7, 3, 9)
    assert (consumer.max_deliveries, consumer.settler.unreadable_after) == (MAX_ATTEMPTS, 7)


def test_other_jobs_continue_while_a_page_is_read(environment: pytest.MonkeyPatch, site: Site) -> None:
    """While a page arrives faster than it is read, other greenlets run after each 64 KiB."""
    environment.setenv("FETCH_ALLOW_NETWORKS", "127.0.0.0/8")
    url, turns = site.add("/", http(200, b"x" * 4_000_000)), 0

    def other_job() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    other = gevent.spawn(other_job)
    build().scraper.fetch(
        url,
        Politeness(respect_robots=False),
        PageBudget(MAX_WAIT_SECONDS),
        lane=None,
        stopwatch=Stopwatch(),
        request=PLAIN_GET,
        public_only=False,
        permit=ALWAYS_PERMITTED,
    )
    other.kill()
    assert turns >= 4_000_000 // (128 * 1024)


def test_number_of_large_pages_follows_from_their_maximum_size(environment: pytest.MonkeyPatch) -> None:
    """Large pages share 128 MiB, so with FETCH_MAX_BYTES of 64 MiB two of them are processed at a time."""
    environment.setenv("FETCH_MAX_BYTES", str(64 * 1024 * 1024))
    scraper = build().scraper
    first, second, third = scraper.activity(), scraper.activity(), scraper.activity()
    budget = PageBudget(MAX_WAIT_SECONDS)
    first.begin_large(budget)
    second.begin_large(budget)
    with pytest.raises(AttemptFailed, match="queued_too_long"):
        third.begin_large(budget)
    first.end()
    third.begin_large(budget)


@contextmanager
def running_attempts(shutdown: Shutdown, count: int) -> Iterator[None]:
    """Run this many attempts, which last as long as the context."""
    is_over = Event()

    def attempt() -> None:
        with shutdown.attempt():
            is_over.wait(MAX_WAIT_SECONDS)

    attempts = [gevent.spawn(attempt) for _ in range(count)]
    gevent.sleep(0)
    try:
        yield
    finally:
        is_over.set()
        gevent.joinall(attempts, timeout=MAX_WAIT_SECONDS, raise_error=True)


@pytest.mark.parametrize(
    ("ack_policy", "attempts", "seconds"),
    [
        ("settled", 5, None),
        ("settled", 6, SHORT_HOLD_SECONDS),
        ("success", 6, None),
    ],
)
def test_a_crowded_instance_limits_the_waits_for_hosts(
    environment: pytest.MonkeyPatch, ack_policy: str, attempts: int, seconds: float | None
) -> None:
    """When more than half of the slots of a process are taken, jobs wait briefly and are published again."""
    environment.setenv("ACK_POLICY", ack_policy)
    environment.setenv("CONCURRENCY", "20")
    environment.setenv("WEB_CONCURRENCY", "2")
    shutdown = Shutdown()
    hold_seconds = build(shutdown).scraper.hold_seconds
    with running_attempts(shutdown, attempts):
        assert hold_seconds() == seconds
    assert hold_seconds() is None
