"""Runs one seed, checks it, lists what it covered, and makes a failing scenario smaller."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from simulation.crawls import CrawlShape
from simulation.faults import KINDS
from simulation.invariants import check
from simulation.ledger import JobHistory
from simulation.scenario import Scenario, draw_scenario
from simulation.sites import Site
from simulation.world import World, run_scenario


@dataclass(frozen=True)
class SeedResult:
    """The result of one seed.

    Attributes:
        seed: the seed.
        violations: what is wrong, each as `invariant: text`.
        covered: what the run contained, each as `category: name`.
        jobs: number of jobs.
        deliveries: number of pushes.
        dead: number of dead letters at the end.
        virtual_seconds: how long the run took under the virtual clock.
    """

    seed: int
    violations: list[str]
    covered: frozenset[str]
    jobs: int
    deliveries: int
    dead: int
    virtual_seconds: float


def run_seed(seed: int) -> SeedResult:
    """Run a seed and check it."""
    return summarize(run_scenario(draw_scenario(seed)))


def summarize(world: World) -> SeedResult:
    """Check a finished world and summarize it."""
    jobs = world.ledger.jobs.values()
    return SeedResult(
        seed=world.scenario.seed,
        violations=check(world),
        covered=frozenset(_covered(world)),
        jobs=len(jobs),
        deliveries=sum(job.deliveries for job in jobs),
        dead=sum(bool(job.dead_letters) for job in jobs),
        virtual_seconds=world.seconds,
    )


def _covered(world: World) -> Iterator[str]:
    scenario = world.scenario
    yield f"ACK_POLICY: {scenario.policy}"
    yield from (f"fault: {fault.kind}" for fault in scenario.faults if fault.start <= world.finished_at)
    yield from (f"crawl: {_shown(shape)}" for shape, _ in scenario.crawls)
    yield from (f"reason: {reason}" for reason in world.ledger.reasons)
    for site in world.sites.values():
        yield from _covered_by_site(site)
    for job in world.ledger.jobs.values():
        yield from _covered_by_job(job)
    if world.cloud_run.rejected:
        yield "Cloud Run: 429 without a free slot"
    if scenario.is_warm:
        yield "push window: at its lower limit"


def _shown(shape: CrawlShape) -> str:
    names = {
        "per_host": shape.per_host,
        "delay_seconds": shape.delay_seconds,
        "Crawl-delay": shape.crawl_delay,
    }
    limits = " and ".join(name for name, value in names.items() if value)
    return f"{'listing' if shape.is_listing else 'pages'} with {limits or 'no limit'}"


def _covered_by_site(site: Site) -> Iterator[str]:
    for trouble in site.troubles:
        if any(trouble.start <= request.started_at < trouble.end for request in site.requests):
            yield f"site: {trouble.kind}{' with Retry-After' if trouble.retry_after else ''}"
    yield from (f"page: {site.pages[path].kind}" for path in site.hits if path in site.pages)


def _covered_by_job(job: JobHistory) -> Iterator[str]:
    yield "job: succeeded" if job.succeeded else "job: dead-lettered"
    yield from (f"listing ends by: {each.listing_end}" for each in job.succeeded if each.listing_end)
    if job.replays:
        yield "job: replayed"
    if len(job.copies) > 1:
        yield "job: published again by the worker"


def shrink(scenario: Scenario) -> Scenario:
    """Return a smaller scenario that violates one of the same invariants: fewer faults, fewer crawls."""
    wanted = _invariants(scenario)
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(scenario):
            if _invariants(candidate) & wanted:
                scenario, is_smaller = candidate, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    if len(scenario.crawls) > 1:
        for number in range(len(scenario.crawls)):
            crawls = scenario.crawls[:number] + scenario.crawls[number + 1 :]
            yield replace(scenario, crawls=crawls)
    for kind in KINDS:
        if any(fault.kind == kind for fault in scenario.faults):
            yield scenario.without(kind)
    if scenario.replays:
        yield replace(scenario, replays=False)


def _invariants(scenario: Scenario) -> set[str]:
    return {violation.split(":")[0] for violation in check(run_scenario(scenario))}
