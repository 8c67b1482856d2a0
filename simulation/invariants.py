"""Checks a finished run: each job in one place, right results, dead only for a fetch, bounded work."""

import json
from collections.abc import Iterator

from contract.outcome import Reason
from simulation.crawls import MAX_PAGES, CrawlShape, plan
from simulation.ledger import JobHistory
from simulation.politeness import politeness_violations
from simulation.scheduler import START
from simulation.sites import PageTruth, item_id, split
from simulation.sql_ledger import disagreements
from simulation.world import World
from worker.ack_policy import LAST_REDELIVERY
from worker.main import SHORT_HOLD_SECONDS

#: Kinds of pages that no attempt can scrape, and that the worker recognizes at the first attempt.
FAILED = frozenset({"gone", "missing_field"})


def check(world: World) -> list[str]:
    """Return all violations of a finished run, each as `invariant: what is wrong`."""
    violations = list(world.violations)
    violations += [f"one_place: {text}" for text in misplaced(world)]
    violations += [f"right_results: {text}" for text in wrong_results(world)]
    violations += [f"dead_for_a_fetch: {text}" for text in dead_without_fetch(world)]
    violations += [f"bounded: {text}" for text in unbounded(world)]
    violations += politeness_violations(world)
    violations += [f"ends_in_time: {text}" for text in late(world)]
    if not violations:
        violations += [f"ledger: {text}" for text in disagreements(world)]
    return violations


def misplaced(world: World) -> Iterator[str]:
    """Yield the jobs that are in no place, or in more than one without a disturbance that explains it."""
    for shape, _ in world.scenario.crawls:
        for message in plan(shape):
            if message.attributes["job_id"] not in world.ledger.jobs:
                yield f"job {message.attributes['job_id']} of {shape.name} was never published"
    for job in world.ledger.jobs.values():
        if job.pending:
            yield f"{job.url} is still in the queue"
        elif not job.succeeded and not job.dead_letters:
            yield f"{job.url} is lost: neither succeeded nor dead-lettered"
        elif job.succeeded and job.dead_letters and not job.disturbances:
            yield f"{job.url} succeeded, and is dead-lettered as well"


def wrong_results(world: World) -> Iterator[str]:
    """Yield the differences between the results and what the sites give."""
    expected: set[str] = set()
    for shape, _ in world.scenario.crawls:
        for message in plan(shape):
            url = json.loads(message.data)["url"]
            if shape.is_listing:
                yield from _listing(world, url, expected, shape.listing_pages or MAX_PAGES)
            else:
                yield from _page(world, url, expected)
    for url in world.ledger.by_url.keys() - expected:
        yield f"{url} is a page that no site links to"


def _page(world: World, url: str, expected: set[str]) -> Iterator[str]:
    expected.add(url)
    jobs = world.ledger.by_url.get(url, set())
    if len(jobs) > 1:
        yield f"{url} has {len(jobs)} job ids"
    items = json.dumps([{"id": item_id(url)}], separators=(",", ":"))
    for job_id in jobs:
        for outcome in world.ledger.jobs[job_id].succeeded:
            if outcome.items != items:
                yield f"{url} has the items {outcome.items[:80]}"


def _listing(world: World, url: str, expected: set[str], max_pages: int) -> Iterator[str]:
    """Follow a listing from its first page for as long as its pages succeeded."""
    ledger = world.ledger
    for number in range(1, max_pages + 1):
        yield from _page(world, url, expected)
        succeeded = [
            outcome for job_id in ledger.by_url.get(url, set()) for outcome in ledger.jobs[job_id].succeeded
        ]
        if not succeeded:
            return
        link = _truth(world, url).next_url
        end = _expected_end(link, is_last=number == max_pages)
        if any(outcome.listing_end != end for outcome in succeeded):
            yield f"the listing at {url} ends by {succeeded[0].listing_end!r} instead of {end!r}"
        if end:
            return
        url = link
        if url not in ledger.by_url:
            yield f"the listing breaks off before {url}, although the page before it succeeded"
            return


def _expected_end(link: str, *, is_last: bool) -> str:
    if not link:
        return "last_page"
    if link.startswith("mailto:"):
        return "bad_next"
    if link.endswith("/1"):
        return "loop"
    return "max_pages" if is_last else ""


def _truth(world: World, url: str) -> PageTruth:
    host, path = split(url)
    return world.sites[host].pages.get(path, PageTruth("gone"))


def dead_without_fetch(world: World) -> Iterator[str]:
    """Yield the jobs that died although too few requests showed that their page is at fault."""
    for job in world.ledger.jobs.values():
        if job.succeeded or not job.dead_letters:
            continue
        needed = _failures_needed(world, job)
        if job.page_failures < needed:
            counts = f"{job.page_failures} failed requests in {job.deliveries} deliveries"
            yield f"{job.url} died after {counts} ({_reasons(job)})"


def _failures_needed(world: World, job: JobHistory) -> int:
    """Return how many failed requests must be recorded before a job may be dead."""
    scenario = world.scenario
    if _truth(world, job.url).kind in FAILED:
        return 1
    if scenario.policy == "success":
        # Pub/Sub counts deliveries; at least half of the last ones must have been requests.
        return (scenario.max_deliveries + 1) // 2
    if job.disturbances:
        return 1
    return scenario.settings.max_attempts


def _reasons(job: JobHistory) -> str:
    return ", ".join(outcome.reason for outcome in job.outcomes[-12:])


def max_messages(world: World, job: JobHistory) -> int:
    """Return how many messages one job may become.

    With ACK_POLICY=success a job is one message for each time that it was dispatched or replayed. With
    `settled` each of these begins a chain of copies. A chain has at most one copy for each attempt, and one
    for each `SHORT_HOLD_SECONDS` that it waits. Each disturbance (a lost acknowledgement, a duplicate, a
    publish of unknown result) may begin one more chain, and so may each disturbance of an earlier page of the
    same listing.
    """
    scenario = world.scenario
    begun = 1 + any(fault.kind == "dispatched_twice" for fault in scenario.faults)
    begun += sum(each.disturbances + each.replays for each in _up_to(world, job))
    if scenario.policy == "success":
        return begun
    waits = int((world.finished_at - min(job.published_at)) / SHORT_HOLD_SECONDS)
    return begun * (scenario.settings.max_attempts + waits)


def max_fetches(world: World, job: JobHistory) -> int:
    """Return how many requests for its page one job may cause.

    With ACK_POLICY=success, one for each delivery. With `settled`, one for each message. If a delivery of a
    message was disturbed, or nacked (for a cause of the infrastructure, or because its Retry-After is longer
    than a hold), the message is redelivered until its request succeeds, or fails at delivery
    `LAST_REDELIVERY`.
    """
    scenario = world.scenario
    messages = len(job.published_at)
    if scenario.policy == "success":
        return messages * scenario.max_deliveries + job.disturbances
    return messages + (job.disturbances + job.refusals) * LAST_REDELIVERY


def _up_to(world: World, job: JobHistory) -> list[JobHistory]:
    """Return the jobs of a listing up to one of its pages; for any other page, only its job."""
    listing, _, number = job.url.rpartition("/")
    if not number.isdecimal():
        return [job]
    urls = [f"{listing}/{each}" for each in range(1, int(number) + 1)]
    return [world.ledger.jobs[job_id] for url in urls for job_id in world.ledger.by_url.get(url, ())]


def unbounded(world: World) -> Iterator[str]:
    """Yield the jobs that became more messages, or caused more requests, than the stated bounds."""
    for job in world.ledger.jobs.values():
        messages, bound = len(job.published_at), max_messages(world, job)
        if messages > bound:
            yield f"{job.url} became {messages} messages; at most {bound} are allowed"
        host, path = split(job.url)
        fetches, bound = world.sites[host].hits[path], max_fetches(world, job)
        if fetches > bound:
            yield f"{job.url} was requested {fetches} times; at most {bound} are allowed"


def max_seconds(world: World) -> float:
    """Return the seconds in which a run must have ended, from the end of its faults and troubles.

    The last job needs all of its attempts, each with the longest backoff, a whole hold and the difference of
    two clocks (a copy has the time of its next attempt by the clock of its worker), after all jobs before it
    in its lane. With ACK_POLICY=success a page that can never be scraped blocks its lane for all of its
    attempts; with `settled`, a message whose delivery was disturbed may block it for `LAST_REDELIVERY`
    deliveries.
    """
    settings = world.scenario.settings
    attempt = settings.retry_maximum_backoff_seconds + settings.ack_deadline_seconds + 2 * world.clock_errors
    lane = max(_lane_seconds(world, shape) for shape, _ in world.scenario.crawls)
    seconds = settings.max_attempts * attempt + lane
    if world.scenario.policy == "settled":
        failing = [job for job in world.ledger.jobs.values() if not _is_served(world, job.url)]
        disturbed = sum(job.disturbances + job.refusals for job in failing)
        seconds += disturbed * LAST_REDELIVERY * attempt
    return seconds * (2 if world.scenario.replays else 1)


def _is_served(world: World, url: str) -> bool:
    return _truth(world, url).kind in {"ok", "moved"}


def _lane_seconds(world: World, shape: CrawlShape) -> float:
    """Return the seconds for which one host of a crawl may be busy with its pages one after the other."""
    settings = world.scenario.settings
    site = world.sites[shape.host_names[0]]
    pages = shape.urls_per_host * ((shape.listing_pages or MAX_PAGES) if shape.is_listing else 1)
    seconds = pages * (1.5 * site.seconds + max(shape.delay_seconds, shape.crawl_delay) * max(1, shape.lanes))
    if shape.lanes and world.scenario.policy == "success":
        policy = world.scenario.delivery_policy().retry_policy
        assert policy is not None  # noqa: S101 - every scenario has a retry policy
        for page in site.pages.values():
            is_served = page.kind in {"ok", "moved", "flaky"}
            failures = page.failures if is_served else settings.max_attempts
            seconds += sum(policy.delay(number) for number in range(1, failures))
    return 2 * seconds


def late(world: World) -> Iterator[str]:
    """Yield that the run took too long."""
    scenario = world.scenario
    troubles = [
        trouble.end + trouble.retry_after for site in world.sites.values() for trouble in site.troubles
    ]
    begun = max([START] + [fault.end for fault in scenario.faults] + troubles)
    seconds = world.finished_at - begun
    allowed = max_seconds(world)
    if seconds > allowed:
        yield f"the last job ended {seconds:.0f} s after the last fault; the bound is {allowed:.0f} s"


__all__ = ["Reason", "check"]
