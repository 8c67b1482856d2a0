"""Draws the crawls of a run and the sites that they scrape, and plans the jobs with the dispatcher's Plan."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from contract.crawl import Crawl
from dispatcher.plan import Plan
from dispatcher.sources.url_list import UrlList
from extraction.selectors import CHECKS
from publishing.publisher import Message
from simulation.scheduler import START, Scheduler
from simulation.sites import PageTruth, Site

MAX_PAGES = 24  #: `max_pages` of every listing


@dataclass(frozen=True)
class CrawlShape:
    """What distinguishes the crawls of the simulation.

    Attributes:
        kind: `free` (no limit), `lanes` (per_host), `delay` (delay_seconds), `robots` (Crawl-delay only) or
            `listing`.
        name: name of the crawl, which is also a part of its hosts' names.
        hosts: number of hosts.
        urls_per_host: number of URLs of each host in the crawl.
        per_host: `politeness.per_host`; 0 if it is not set.
        delay_seconds: `politeness.delay_seconds`.
        crawl_delay: Crawl-delay of the hosts' robots.txt, seconds; 0 without one.
        page_seconds: response time of every page, all of which are served at once; 0 to draw the hosts'
            response times, and how each page behaves.
        listing_pages: number of pages of each listing, if the pages are not drawn.
    """

    kind: str
    name: str
    hosts: int
    urls_per_host: int
    per_host: int = 0
    delay_seconds: float = 0.0
    crawl_delay: float = 0.0
    page_seconds: float = 0.0
    listing_pages: int = 0

    @property
    def is_listing(self) -> bool:
        """Whether each URL is the first page of a listing."""
        return self.kind == "listing"

    @property
    def host_names(self) -> list[str]:
        """The hosts."""
        return [f"{self.name}-{number}.example" for number in range(self.hosts)]

    @property
    def lanes(self) -> int:
        """Number of ordering keys of each host; 0 without keys."""
        return self.per_host or (1 if self.delay_seconds else 0)


def draw_shapes(rng: random.Random) -> list[CrawlShape]:
    """Return the crawls of one run; together they have at least 500 jobs and at least five hosts."""
    choice = rng.choice
    listing_limits = choice([(0, 0.0), (0, 0.0), (1, 0.0), (2, 0.5), (0, 1.0)])
    shapes = [
        CrawlShape("free", "free", 3, choice([110, 130])),
        CrawlShape("lanes", "lanes", 1, choice([60, 80]), per_host=choice([1, 2, 4])),
        CrawlShape(
            "delay", "delay", 1, 50, per_host=choice([0, 2, 3]), delay_seconds=choice([0.5, 1.0, 2.0])
        ),
        CrawlShape("robots", "robots", 1, 40, crawl_delay=choice([2.0, 10.0])),
        CrawlShape("listing", "listing", 1, choice([2, 4]), *listing_limits),
    ]
    if rng.random() < 0.5:
        shapes.append(
            CrawlShape("lanes", "more", 1, 60, per_host=choice([1, 3]), delay_seconds=choice([0.0, 1.0]))
        )
    return shapes


@lru_cache(maxsize=512)
def plan(shape: CrawlShape) -> tuple[Message, ...]:
    """Return the messages of a crawl's jobs, made by the dispatcher's real Plan."""
    crawl = Crawl.decode(json.dumps(_crawl_document(shape)).encode(), CHECKS)
    planned = Plan(crawl, f"{shape.name}-run", datetime.fromtimestamp(START, UTC))
    return tuple(Message(*message) for message, _ in planned.jobs(UrlList(crawl.sources.urls)))


def _crawl_document(shape: CrawlShape) -> dict[str, object]:
    recipe: dict[str, object] = {
        "name": "simulated",
        "fields": {"id": {"jmespath": "id", "required": True}},
    }
    if shape.is_listing:
        recipe |= {"next": {"jmespath": "next"}, "max_pages": shape.listing_pages or MAX_PAGES}
    politeness: dict[str, object] = {"delay_seconds": shape.delay_seconds}
    if shape.per_host:
        politeness["per_host"] = shape.per_host
    return {
        "name": shape.name,
        "sources": {"urls": _urls(shape)},
        "recipe": recipe,
        "politeness": politeness,
    }


def _urls(shape: CrawlShape) -> list[str]:
    if shape.is_listing:
        return [
            f"https://{host}/l{number}/1"
            for host in shape.host_names
            for number in range(shape.urls_per_host)
        ]
    return [f"https://{host}/p{number}" for host in shape.host_names for number in range(shape.urls_per_host)]


def make_sites(shape: CrawlShape, scheduler: Scheduler, rng: random.Random) -> list[Site]:
    """Return the sites of a crawl with their pages."""
    sites = []
    for host in shape.host_names:
        if shape.page_seconds:
            sites.append(_perfect_site(shape, scheduler, host))
            continue
        seconds = rng.choice([0.2, 1.0, 3.0] if shape.lanes or shape.is_listing else [0.5, 2.0, 5.0, 10.0])
        site = Site(scheduler, host, seconds, shape.crawl_delay)
        for number in range(shape.urls_per_host):
            if shape.is_listing:
                _add_listing(site, f"/l{number}", rng)
            else:
                _add_page(site, f"/p{number}", rng)
        sites.append(site)
    return sites


def _perfect_site(shape: CrawlShape, scheduler: Scheduler, host: str) -> Site:
    site = Site(scheduler, host, shape.page_seconds, shape.crawl_delay, spread=0.0)
    for number in range(shape.urls_per_host):
        if not shape.is_listing:
            site.pages[f"/p{number}"] = PageTruth()
        for page in range(1, shape.listing_pages + 1):
            link = f"https://{host}/l{number}/{page + 1}" if page < shape.listing_pages else ""
            site.pages[f"/l{number}/{page}"] = PageTruth(next_url=link)
    return site


def _add_page(site: Site, path: str, rng: random.Random) -> None:
    drawn = rng.random()
    if drawn < 0.02:
        site.pages[path] = PageTruth("gone")
    elif drawn < 0.03:
        site.pages[path] = PageTruth("missing_field")
    elif drawn < 0.034:
        site.pages[path] = PageTruth("always_503")
    elif drawn < 0.1:
        site.pages[path] = PageTruth("flaky", rng.randint(1, 3))
    elif drawn < 0.13:
        site.pages[path] = PageTruth("moved")
        site.pages[f"{path}/moved"] = PageTruth()
    else:
        site.pages[path] = PageTruth()


def _add_listing(site: Site, path: str, rng: random.Random) -> None:
    """Add a listing that ends with its last page, in a loop, with a bad link, or not before `max_pages`."""
    end = rng.choice(["last_page", "last_page", "loop", "bad_next", "max_pages"])
    pages = MAX_PAGES + 3 if end == "max_pages" else rng.randint(3, 12)
    broken_at = rng.randint(2, pages) if rng.random() < 0.15 else 0
    last_links = {"loop": f"https://{site.host}{path}/1", "bad_next": "mailto:list@example.com"}
    for number in range(1, pages + 1):
        link = f"https://{site.host}{path}/{number + 1}" if number < pages else last_links.get(end, "")
        if number == broken_at:
            site.pages[f"{path}/{number}"] = PageTruth("gone")
        elif rng.random() < 0.1:
            site.pages[f"{path}/{number}"] = PageTruth("flaky", rng.randint(1, 3), link)
        else:
            site.pages[f"{path}/{number}"] = PageTruth("ok", 0, link)
