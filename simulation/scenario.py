"""Draws everything that distinguishes one run from another, from its seed."""

import random
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from contract.job import MAX_ATTEMPTS
from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.retry_policy import RetryPolicy
from simulation.cloud_run import ServiceConfig
from simulation.crawls import CrawlShape, draw_shapes
from simulation.faults import Fault, draw_faults
from simulation.sites import Trouble
from worker.settings import WorkerSettings

Policy = Literal["success", "settled"]
RETENTION = 7 * 86_400.0  #: message retention of the jobs subscription, seconds


@dataclass(frozen=True)
class Scenario:
    """One run.

    Attributes:
        seed: the seed; everything that is random in the run follows from it.
        policy: ACK_POLICY.
        settings: the worker's settings.
        service: the configuration of Cloud Run.
        ack_deadline: ack deadline of the subscription, seconds.
        crawls: the crawls, each with the seconds from the start until it is dispatched.
        faults: the faults.
        is_warm: whether the push window has reached its lower limit at the start.
        replays: whether the dead letters are replayed at the end.
        troubles: host → when it is out of order; None to draw them.
    """

    seed: int
    policy: Policy
    settings: WorkerSettings
    service: ServiceConfig
    ack_deadline: float
    crawls: list[tuple[CrawlShape, float]]
    faults: list[Fault] = field(default_factory=list)
    is_warm: bool = False
    replays: bool = False
    troubles: dict[str, list[Trouble]] | None = None

    @property
    def max_deliveries(self) -> int:
        """Pub/Sub's max_delivery_attempts, as Terraform and `scrapeq up` set it."""
        return self.settings.max_attempts if self.policy == "success" else MAX_ATTEMPTS

    def delivery_policy(self) -> DeliveryPolicy:
        """Return the configuration of the push subscription."""
        settings = self.settings
        backoff = RetryPolicy(settings.retry_minimum_backoff_seconds, settings.retry_maximum_backoff_seconds)
        topic = DeadLetterPolicy("projects/simulation/topics/scrape-jobs-dead", self.max_deliveries)
        return DeliveryPolicy(self.ack_deadline, RETENTION, backoff, topic)

    def without(self, kind: str) -> "Scenario":
        """Return the same run without one kind of fault."""
        return replace(self, faults=[fault for fault in self.faults if fault.kind != kind])


def draw_scenario(seed: int) -> Scenario:
    """Return the run of a seed. The worker's settings are the shipped defaults but for the page slots."""
    rng = random.Random(f"scenario {seed}")  # noqa: S311 - a reproducible run, not a secret
    policy: Policy = rng.choice(["success", "settled"])
    settings = make_settings(policy, page_concurrency=rng.choice([10, 20, 80]))
    service = ServiceConfig(
        max_instances=rng.choice([3, 4, 6]),
        # A push without a slot costs a delivery, of which only `settled` has many.
        concurrency=settings.concurrency if policy == "success" else rng.choice([settings.concurrency, 100]),
        request_timeout=settings.request_timeout_seconds,
        queue_seconds=rng.uniform(10.0, 30.0),
        start_seconds=rng.choice([0.5, 2.0, 6.0]),
    )
    crawls = [
        (shape, 0.0 if number == 0 else rng.uniform(0.0, 60.0))
        for number, shape in enumerate(draw_shapes(rng))
    ]
    return Scenario(
        seed=seed,
        policy=policy,
        settings=settings,
        service=service,
        ack_deadline=float(settings.ack_deadline_seconds),
        crawls=crawls,
        faults=draw_faults(rng),
        is_warm=rng.random() < 0.5,
        replays=rng.random() < 0.3,
    )


@lru_cache(maxsize=64)
def make_settings(policy: Policy, *, page_concurrency: int = 80) -> WorkerSettings:
    """Return the worker's default settings with another number of page slots."""
    return WorkerSettings(
        google_cloud_project="simulation",
        push_auth="none",
        user_agent="scrapeq/0.1 (+https://example.com/simulation)",
        ack_policy=policy,
        page_concurrency=page_concurrency,
    )
