"""Runs many slow pages on each shipped Terraform configuration: does a job die because there was no room?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from simulation.cloud_run import ServiceConfig
from simulation.crawls import CrawlShape
from simulation.scenario import Policy, Scenario, make_settings
from simulation.terraform_inputs import ShippedConfiguration, shipped_configurations
from simulation.worker_process import install
from simulation.world import World, run_scenario

PAGE_SECONDS = (2.0, 5.0, 10.0, 30.0)  #: response times of the pages
POLICIES: tuple[Policy, ...] = ("success", "settled")
QUEUE_SECONDS = 10.0  #: the shortest time for which Cloud Run queues a request
START_SECONDS = 5.0  #: how long an instance takes to start
HOSTS = 10  #: hosts of each crawl
MAX_CRAWL_JOBS = 10_000  #: URLs of one crawl


@dataclass(frozen=True)
class CapacityResult:
    """The result of one cell of the grid.

    Attributes:
        configuration: name of the Terraform configuration.
        policy: ACK_POLICY.
        page_seconds: response time of every page.
        jobs: number of jobs.
        dead_without_fetch: number of jobs that died without any request for their page.
        dead: number of jobs that died.
        rejected: number of pushes that Cloud Run answered with 429.
        deliveries: number of pushes.
        hours: virtual hours until the last job had ended.
    """

    configuration: str
    policy: Policy
    page_seconds: float
    jobs: int
    dead_without_fetch: int
    dead: int
    rejected: int
    deliveries: int
    hours: float


def grid(jobs: int) -> Iterator[CapacityResult]:
    """Yield the result of each configuration, policy and response time."""
    install()
    for configuration, policy, seconds in product(shipped_configurations(), POLICIES, PAGE_SECONDS):
        yield measure(configuration, policy, seconds, jobs)


def measure(configuration: ShippedConfiguration, policy: Policy, seconds: float, jobs: int) -> CapacityResult:
    """Run `jobs` pages of `seconds` each, all published at once, with a push window at its lower limit."""
    world = run_scenario(_scenario(configuration, policy, seconds, jobs))
    dead = [job for job in world.ledger.jobs.values() if job.dead_letters and not job.succeeded]
    unfetched = [job for job in dead if not job.page_failures]
    return CapacityResult(
        configuration=configuration.name,
        policy=policy,
        page_seconds=seconds,
        jobs=len(world.ledger.jobs),
        dead_without_fetch=len(unfetched) + _lost(world),
        dead=len(dead),
        rejected=world.cloud_run.rejected,
        deliveries=sum(job.deliveries for job in world.ledger.jobs.values()),
        hours=world.seconds / 3600,
    )


def _scenario(configuration: ShippedConfiguration, policy: Policy, seconds: float, jobs: int) -> Scenario:
    settings = make_settings(policy, page_concurrency=configuration.page_concurrency)
    settings = settings.model_copy(
        update={"max_attempts": configuration.max_attempts, "concurrency": configuration.concurrency}
    )
    if configuration.ack_deadline != settings.ack_deadline_seconds:
        raise ValueError(f"{configuration.name} has another ack deadline than the worker's default")
    service = ServiceConfig(
        configuration.max_instances,
        configuration.concurrency,
        settings.request_timeout_seconds,
        QUEUE_SECONDS,
        START_SECONDS,
    )
    crawl = CrawlShape("free", "capacity0", HOSTS, min(jobs, MAX_CRAWL_JOBS) // HOSTS, page_seconds=seconds)
    crawls = [(replace(crawl, name=f"capacity{number}"), 0.0) for number in range(-(-jobs // MAX_CRAWL_JOBS))]
    return Scenario(
        seed=1,
        policy=policy,
        settings=settings,
        service=service,
        ack_deadline=float(configuration.ack_deadline),
        crawls=crawls,
        is_warm=True,
        troubles={},
    )


def _lost(world: World) -> int:
    return sum(not job.succeeded and not job.dead_letters for job in world.ledger.jobs.values())
