"""Runs what once ended healthy jobs: Crawl-delay, a slow host, deploys, 429 storms, a refusing topic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simulation.capacity import POLICIES
from simulation.cloud_run import ServiceConfig
from simulation.crawls import CrawlShape
from simulation.faults import Fault
from simulation.invariants import check
from simulation.scenario import Policy, Scenario, make_settings
from simulation.scheduler import START
from simulation.sites import Trouble
from simulation.worker_process import install
from simulation.world import run_scenario

HOUR = 3600.0


@dataclass(frozen=True)
class StormResult:
    """The result of one row.

    Attributes:
        name: what was run.
        policy: ACK_POLICY.
        jobs: number of jobs.
        succeeded: number of jobs that succeeded.
        max_messages: largest number of messages of one job.
        max_fetches: largest number of requests for one page.
        hours: virtual hours until the last job had ended.
        violations: what is wrong.
    """

    name: str
    policy: Policy
    jobs: int
    succeeded: int
    max_messages: int
    max_fetches: int
    hours: float
    violations: list[str]


def crawl_delay(policy: Policy) -> Scenario:
    """60 pages of a site with `Crawl-delay: 10`."""
    return _scenario(policy, [CrawlShape("robots", "site", 1, 60, crawl_delay=10.0, page_seconds=0.2)])


def one_host(policy: Policy) -> Scenario:
    """1,000 pages of one host with `delay_seconds: 1`."""
    return _scenario(policy, [CrawlShape("delay", "site", 1, 1000, delay_seconds=1.0, page_seconds=0.2)])


def listing(policy: Policy) -> Scenario:
    """A listing of 200 pages with `delay_seconds: 1`."""
    shape = CrawlShape("listing", "site", 1, 1, delay_seconds=1.0, page_seconds=0.2, listing_pages=200)
    return _scenario(policy, [shape])


def deploys_and_throttling(policy: Policy) -> Scenario:
    """Ten deploys, and four hosts that answer 429 with Retry-After for minutes; a fifth has a Crawl-delay."""
    shapes = [
        CrawlShape("free", "free", 3, 200, page_seconds=5.0),
        CrawlShape("robots", "robots", 1, 60, crawl_delay=10.0, page_seconds=0.2),
        CrawlShape("lanes", "lanes", 1, 100, per_host=2, page_seconds=2.0),
    ]
    deploys = [Fault("deploy", START + 20.0 + 60.0 * number) for number in range(10)]
    hosts = [host for shape in shapes for host in shape.host_names if shape.kind != "robots"]
    troubles = {host: [Trouble("throttle", START + 5.0, START + 400.0, 60.0)] for host in hosts}
    return _scenario(policy, shapes, deploys, troubles)


def refusing_outcomes(policy: Policy) -> Scenario:
    """An outcomes topic that refuses every message for 20 minutes."""
    shapes = [CrawlShape("free", "free", 2, 100, page_seconds=1.0)]
    return _scenario(policy, shapes, [Fault("outcomes_refused", START + 0.5, HOUR / 3)])


def refusing_outcomes_for_hours(policy: Policy) -> Scenario:
    """An outcomes topic that refuses every message for six hours."""
    shapes = [CrawlShape("free", "free", 2, 50, page_seconds=1.0)]
    return _scenario(policy, shapes, [Fault("outcomes_refused", START + 0.5, 6 * HOUR)])


ROWS: tuple[Callable[[Policy], Scenario], ...] = (
    crawl_delay,
    one_host,
    listing,
    deploys_and_throttling,
    refusing_outcomes,
    refusing_outcomes_for_hours,
)
#: With ACK_POLICY=success ten deliveries in vain, which last 40 minutes or more, end a job.
ONLY_SETTLED = frozenset({refusing_outcomes_for_hours})


def run_all(only: str = "") -> Iterator[StormResult]:
    """Yield the result of every row whose name contains `only`, with each policy."""
    install()
    for row in (each for each in ROWS if only in (each.__doc__ or "")):
        for policy in POLICIES:
            if policy == "settled" or row not in ONLY_SETTLED:
                yield run(row, policy)


def run(row: Callable[[Policy], Scenario], policy: Policy) -> StormResult:
    """Run one row and check that every job succeeds."""
    world = run_scenario(row(policy))
    jobs = world.ledger.jobs.values()
    violations = check(world)
    violations += [f"succeeds: {job.url} did not succeed" for job in jobs if not job.succeeded]
    return StormResult(
        name=(row.__doc__ or "").rstrip("."),
        policy=policy,
        jobs=len(jobs),
        succeeded=sum(bool(job.succeeded) for job in jobs),
        max_messages=max(len(job.published_at) for job in jobs),
        max_fetches=max(
            count
            for site in world.sites.values()
            for path, count in site.hits.items()
            if path != "/robots.txt"
        ),
        hours=world.seconds / HOUR,
        violations=violations,
    )


def _scenario(
    policy: Policy,
    shapes: list[CrawlShape],
    faults: list[Fault] | None = None,
    troubles: dict[str, list[Trouble]] | None = None,
) -> Scenario:
    """Return a run of crawls on the shipped defaults: ten instances, a push window at its lower limit."""
    settings = make_settings(policy)
    return Scenario(
        seed=1,
        policy=policy,
        settings=settings,
        service=ServiceConfig(10, settings.concurrency, settings.request_timeout_seconds, 10.0, 2.0),
        ack_deadline=float(settings.ack_deadline_seconds),
        crawls=[(shape, 0.0) for shape in shapes],
        faults=faults or [],
        is_warm=True,
        troubles=troubles or {},
    )
