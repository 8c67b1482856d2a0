"""Computes from a crawl how long its limits make a run last, and which jobs may fail because of them. Pure.

Nothing is requested, so the pages of sitemaps, the further pages of listings and a site's Crawl-delay are
not known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from console.report.durations import duration
from console.stack.services import AckPolicy, DeliveryPolicy, wait_budget
from contract.crawl import Crawl
from contract.job import Job
from contract.request import PLAIN_GET, secret_names
from contract.url_template import UrlTemplate
from contract.urls import canonical_url, check_url, host_of, origin_of

#: A Crawl-delay that many sites have, in seconds. A crawl of a host without limits of its own is warned about
#: if its jobs could not wait for this delay.
COMMON_CRAWL_DELAY_SECONDS = 10
#: Seconds for which Pub/Sub keeps a message: https://cloud.google.com/pubsub/docs/subscription-properties
RETENTION_SECONDS = 7 * 24 * 3600
SAMPLED_JOBS = 100  #: number of jobs whose size is measured
ANY_URL = "https://shop.example.com/products/1"  #: stands for the pages of a source that is not read
#: Bytes of a message besides body and job's attributes: its id, time, traceparent and id of the request.
MESSAGE_BYTES = 150
MAX_ORIGINS = 3  #: maximum number of origins that a sentence names


@dataclass(frozen=True)
class HostPlan:
    """What is known about the pages of one host.

    Attributes:
        host: the host.
        pages: number of jobs that the crawl's `urls` and templates make for the host.
        seconds: minimum duration of these jobs because of the crawl's delay; 0 without a delay.
    """

    host: str
    pages: int
    seconds: float


@dataclass(frozen=True)
class RunPlan:
    """The jobs of a run, as far as the crawl shows them.

    Attributes:
        crawl: the crawl.
        hosts: the hosts of its `urls` and templates, the one with the longest duration first.
        origins: the origins of these URLs, sorted.
        sources: the number of jobs that each source makes, by the path of its field.
        invalid: number of invalid URLs.
        duplicates: number of URLs of pages that already have a job.
        filtered: number of URLs that `include` and `exclude` leave out.
        over_limit: number of URLs beyond `limits.max_jobs`; those of a template after the first do not count.
        job_bytes: mean size of a job's message in bytes, of the first 100 jobs.
    """

    crawl: Crawl
    hosts: tuple[HostPlan, ...]
    origins: tuple[str, ...]
    sources: dict[str, int]
    invalid: int
    duplicates: int
    filtered: int
    over_limit: int
    job_bytes: int

    @property
    def pages(self) -> int:
        """Number of jobs that the crawl's `urls` and templates make."""
        return sum(host.pages for host in self.hosts)


def plan_run(crawl: Crawl) -> RunPlan:
    """Return the plan of a crawl."""
    pages, sources, left_out = dict[str, str](), dict[str, int](), Counter[str]()
    for name, urls, is_lazy in _known_sources(crawl):
        before = len(pages)
        for given in urls:
            why = _add_page(crawl, pages, given)
            left_out[why] += 1
            if why == "over_limit" and is_lazy:
                break
        sources[name] = len(pages) - before
    hosts = _plan_hosts(crawl, list(pages.values()))
    return RunPlan(
        crawl,
        hosts,
        tuple(sorted({origin_of(url) for url in pages.values()})),
        sources,
        invalid=left_out["invalid"],
        duplicates=left_out["duplicates"],
        filtered=left_out["filtered"],
        over_limit=left_out["over_limit"],
        job_bytes=_mean_job_bytes(crawl, list(islice(pages.values(), SAMPLED_JOBS)) or [ANY_URL]),
    )


def _known_sources(crawl: Crawl) -> Iterator[tuple[str, Iterable[str], bool]]:
    """Yield the name and the URLs of each source that needs no request, and whether it ends at the limit."""
    if crawl.sources.urls:
        yield "sources.urls", crawl.sources.urls, False
    for number, template in enumerate(crawl.sources.template):
        yield f"sources.template.{number}", UrlTemplate(template), True


def _add_page(crawl: Crawl, pages: dict[str, str], given: str) -> str:
    """Add a URL to `pages`; return the attribute of `RunPlan` that counts it if it makes no job, or `""`."""
    try:
        url = check_url(given)
    except ValueError:
        return "invalid"
    if not crawl.sources.selects(url):
        return "filtered"
    if canonical_url(url) in pages:
        return "duplicates"
    if len(pages) >= crawl.limits.max_jobs:
        return "over_limit"
    pages[canonical_url(url)] = url
    return ""


def _plan_hosts(crawl: Crawl, urls: list[str]) -> tuple[HostPlan, ...]:
    pages, lanes = Counter[str](), dict[str, Counter[int]]()
    for url in urls:
        host = host_of(url)
        pages[host] += 1
        lanes.setdefault(host, Counter())[_job(crawl, url).lane] += 1
    period = lane_period(crawl)
    hosts = [HostPlan(host, count, (max(lanes[host].values()) - 1) * period) for host, count in pages.items()]
    return tuple(sorted(hosts, key=lambda each: (-each.seconds, -each.pages, each.host)))


def _job(crawl: Crawl, url: str) -> Job:
    return Job(
        job_id="0" * 32,
        run_id=crawl.name,
        crawl=crawl.name,
        url=url,
        recipe=crawl.recipe,
        politeness=crawl.politeness,
        request=crawl.request,
        version=1 if crawl.request == PLAIN_GET else 2,
        dispatched_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _mean_job_bytes(crawl: Crawl, urls: Sequence[str]) -> int:
    """Return the mean size of the messages of jobs: body, attributes, and what Pub/Sub adds to each."""
    sizes = []
    for url in urls:
        job = _job(crawl, url)
        attributes = sum(len(name) + len(value.encode()) for name, value in job.attributes("").items())
        sizes.append(len(job.encode()) + attributes + MESSAGE_BYTES)
    return round(sum(sizes) / len(sizes))


def lane_period(crawl: Crawl) -> float:
    """Return the seconds between two requests of one lane of a host (`HostSlots` in worker/host_slots.py)."""
    return crawl.politeness.delay_seconds * max(1, crawl.politeness.lanes)


def plan_lines(plan: RunPlan) -> Iterator[str]:
    """Yield a sentence for each number that the table of hosts does not show."""
    crawl = plan.crawl
    left_out = {
        "invalid": plan.invalid,
        "duplicates": plan.duplicates,
        "left out by include or exclude": plan.filtered,
        "over the limit": plan.over_limit,
    }
    counts = ", ".join(f"{count:,} {name}" for name, count in left_out.items() if count)
    if counts:
        yield f"URLs without a job: {counts}."
    delay = crawl.politeness.delay_seconds
    if len(plan.sources) > 1:
        yield f"Pages by source: {', '.join(f'{name} {count:,}' for name, count in plan.sources.items())}."
    given = crawl.sources
    if names := [name for name in ("urls_file", "sitemap", "sitemaps", "site") if getattr(given, name)]:
        more = max(0, crawl.limits.max_jobs - plan.pages)
        cost = f"; each page takes at least {delay:g} s of its host" if delay else ""
        verb = "is read at the dispatch: it adds" if len(names) == 1 else "are read at the dispatch: they add"
        listed = " and ".join(f"sources.{name}" for name in names)
        yield f"{listed} {verb} up to {more:,} pages (limits.max_jobs){cost}."
    if given.urls_file is not None and given.urls_file.is_local:
        yield f"`scrapeq dispatch` reads {given.urls_file.url} from this machine; Cloud Scheduler cannot."
    yield from _request_lines(plan)
    if crawl.recipe.next is not None:
        pages = crawl.recipe.max_pages
        cost = f", which takes at least {duration((pages - 1) * delay)}" if delay else ""
        yield f"Each page may begin a listing of up to {pages:,} pages, one after the other{cost}."
    if not crawl.politeness.lanes:
        yield (
            "The crawl sets neither politeness.delay_seconds nor per_host, so each worker requests a host as "
            "fast as its robots.txt allows."
        )


def _request_lines(plan: RunPlan) -> Iterator[str]:
    """Yield what the worker must have been given for the requests of the crawl."""
    request = plan.crawl.request
    in_proxy = secret_names(request.proxy or "")
    if names := [name for name in request.secrets() if name not in in_proxy]:
        more = f" and {len(plan.origins) - MAX_ORIGINS:,} more" if len(plan.origins) > MAX_ORIGINS else ""
        where = f" for {', '.join(plan.origins[:MAX_ORIGINS])}{more}" if plan.origins else ""
        yield f"The worker must have {_secrets(names)}{where} (FETCH_SECRETS); else its jobs fail."
    if request.proxy:
        needed = f", and must have {_secrets(in_proxy)} for it (FETCH_SECRETS)" if in_proxy else ""
        yield f"The worker must allow the proxy {request.proxy} (FETCH_PROXIES){needed}; else its jobs fail."


def _secrets(names: Sequence[str]) -> str:
    return f"the secret{'s' if len(names) > 1 else ''} {' and '.join(names)}"


def plan_warnings(plan: RunPlan, ack_policy: AckPolicy, delivery: DeliveryPolicy) -> Iterator[str]:
    """Yield a sentence for each danger that the numbers show.

    Args:
        plan: the plan of the crawl.
        ack_policy: acknowledgement policy of the worker.
        delivery: how jobs are delivered and retried.
    """
    politeness = plan.crawl.politeness
    for host in plan.hosts:
        if host.seconds > RETENTION_SECONDS:
            yield (
                f"{host.host} needs {duration(host.seconds)} for {host.pages:,} pages, but Pub/Sub keeps a "
                "job for 7 days: dispatch fewer pages at a time."
            )
    if ack_policy is AckPolicy.SETTLED:
        return
    if politeness.lanes:
        yield from _lane_warnings(plan, delivery)
    else:
        yield from _patience_warnings(plan, delivery)


def _lane_warnings(plan: RunPlan, delivery: DeliveryPolicy) -> Iterator[str]:
    lanes, period = plan.crawl.politeness.lanes, lane_period(plan.crawl)
    attempts, wait = delivery.max_delivery_attempts, wait_budget(delivery.ack_deadline_seconds)
    blocked = f"one of the {lanes} lanes of its host" if lanes > 1 else "its host"
    seconds = total_backoff(delivery) + attempts * period
    yield (
        f"A page that keeps failing blocks {blocked} for about {duration(seconds)} ({attempts} attempts); "
        "with ACK_POLICY=settled the other pages go on at once."
    )
    if period > wait:
        yield (
            f"A lane may send a request every {duration(period)}, but a delivery waits for at most "
            f"{duration(wait)}: lower politeness.per_host or delay_seconds."
        )


def _patience_warnings(plan: RunPlan, delivery: DeliveryPolicy) -> Iterator[str]:
    attempts, wait = delivery.max_delivery_attempts, wait_budget(delivery.ack_deadline_seconds)
    patience = (attempts - 1) * wait + total_backoff(delivery)
    for host in plan.hosts:
        if host.pages * COMMON_CRAWL_DELAY_SECONDS > patience:
            yield (
                f"{host.host} has {host.pages:,} pages, and a job waits for its host for at most "
                f"{duration(patience)} ({attempts} deliveries): with a Crawl-delay above "
                f"{patience / host.pages:.2g} s in its robots.txt, some pages would not be requested; set "
                "politeness.delay_seconds."
            )


def total_backoff(delivery: DeliveryPolicy) -> float:
    """Return the seconds between the first and the last attempt of a job, without the attempts themselves."""
    return sum(
        min(float(delivery.maximum_backoff_seconds), delivery.minimum_backoff_seconds * 2.0**retry)
        for retry in range(delivery.max_delivery_attempts - 1)
    )
