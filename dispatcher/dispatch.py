"""Dispatches a crawl: publishes its jobs, waits for every confirmation, and then responds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Protocol

from contract.crawl import Crawl
from contract.faults import Fault, UnreadableCrawl
from contract.quoting import hide_userinfo
from dispatcher.plan import Plan
from dispatcher.run_id import make_run_id
from dispatcher.sitemap_entry import SitemapUnavailable, SitemapUnreadable, UnreadSitemap
from extraction.selectors import CHECKS
from guarded_http.scope import NetworkScope
from publishing.publisher import Message, Publisher, PublishUnconfirmed


@dataclass(frozen=True)
class DispatchResponse:
    """The response to a dispatch.

    Attributes:
        status: the HTTP status.
        body: the JSON body.
    """

    status: int
    body: dict[str, object]


class ReadSitemap(Protocol):
    """Reads a sitemap, and the sitemaps that it lists: `dispatcher.sitemap_reader.SitemapReader.urls`."""

    def __call__(
        self,
        sitemap: str,
        scope: NetworkScope,
        /,
        *,
        delay_seconds: float,
        reads_foreign: bool,
        respects_robots: bool,
    ) -> Iterator[str | UnreadSitemap]:
        """Yield the URLs of pages, and listed sitemaps that were not read."""


@dataclass(frozen=True)
class Dispatcher:
    """Turns crawls into published jobs.

    Attributes:
        publisher: publishes to the jobs topic.
        read_sitemap: yields the page URLs of a sitemap, and listed sitemaps that were not read.
        now: returns the current time, with a time zone.
    """

    publisher: Publisher
    read_sitemap: ReadSitemap
    now: Callable[[], datetime]

    def dispatch(self, body: bytes, *, schedule_time: str, traceparent: str) -> DispatchResponse:
        """Dispatch the crawl in `body`.

        Returns:
            200 if Pub/Sub confirmed every job, even if some of the listed sitemaps were not read, which are
            then in the body; 400 with all faults if the crawl is invalid, or if its sitemap cannot be read;
            503 if the site or Pub/Sub was not available. If a request with the status 503 is repeated with
            the run_id of the response, the jobs get the same ids again.
        """
        try:
            crawl = Crawl.decode(body, CHECKS)
            now = self.now()
            plan = Plan(crawl, make_run_id(crawl, schedule_time, now), now)
        except UnreadableCrawl as error:
            return DispatchResponse(
                400, {"error": f"the crawl was not dispatched: {error}", **_faults(error.faults)}
            )
        return self._publish(plan, traceparent)

    def _publish(self, plan: Plan, traceparent: str) -> DispatchResponse:
        scope = NetworkScope()
        listed = plan.jobs(self._sitemap_urls(plan, scope), lambda: scope.public_only)
        jobs = chain(plan.jobs(plan.crawl.sources.urls), listed)
        messages = (Message(data, job.attributes(traceparent), job.ordering_key()) for job, data in jobs)
        published, failures = 0, list[PublishUnconfirmed]()
        try:
            for confirmation in self.publisher.publish_all(messages):
                if isinstance(confirmation, PublishUnconfirmed):
                    failures.append(confirmation)
                else:
                    published += 1
        except SitemapUnreadable as error:
            fault = Fault("sources.sitemap", hide_userinfo(str(error)))
            return DispatchResponse(
                400, {"error": str(fault), **_faults([fault]), **_counts(plan, published)}
            )
        except SitemapUnavailable as error:
            why = f"sources.sitemap: {hide_userinfo(str(error))}"
            return _incomplete(plan, published, why, unconfirmed=len(failures))
        if failures:
            why = (
                f"{len(failures)} of {published + len(failures)} jobs are not confirmed: {failures[0].detail}"
            )
            return _incomplete(plan, published, why, unconfirmed=len(failures))
        return DispatchResponse(200, _counts(plan, published))

    def _sitemap_urls(self, plan: Plan, scope: NetworkScope) -> Iterator[str]:
        """Yield the URLs of the sitemap, up to the first one that is beyond the crawl's limit."""
        sitemap = plan.crawl.sources.sitemap
        if sitemap is None:
            return
        found = self.read_sitemap(
            sitemap,
            scope,
            delay_seconds=plan.crawl.politeness.delay_seconds,
            reads_foreign=plan.crawl.sources.foreign_sitemaps,
            respects_robots=plan.crawl.politeness.respect_robots,
        )
        while not plan.over_limit:
            each = next(found, None)
            if each is None:
                return
            if isinstance(each, UnreadSitemap):
                plan.add_unread_sitemap(each.url, each.why)
            else:
                yield each
        maximum = plan.crawl.limits.max_jobs
        why = f"the rest was not read, because the run has {maximum} jobs, its maximum (limits.max_jobs)"
        plan.add_unread_sitemap(sitemap, why)


def _incomplete(plan: Plan, published: int, why: str, *, unconfirmed: int) -> DispatchResponse:
    repeat = f"Repeat the request with run_id {plan.run_id} to make the same jobs."
    error = {"error": f"{why}. {repeat}", "unconfirmed": unconfirmed}
    return DispatchResponse(503, error | _counts(plan, published))


def _counts(plan: Plan, published: int) -> dict[str, object]:
    return {
        "run_id": plan.run_id,
        "published": published,
        "duplicates": plan.duplicates,
        "rejected": [{"url": url, "why": why} for url, why in plan.rejected],
        "rejected_count": plan.rejected_count,
        "unread_sitemaps": [{"url": url, "why": why} for url, why in plan.unread_sitemaps],
        "unread_sitemap_count": plan.unread_sitemap_count,
        "over_limit": plan.over_limit,
    }


def _faults(faults: list[Fault]) -> dict[str, object]:
    return {"faults": [{"path": fault.path, "why": fault.message} for fault in faults]}
