"""One dispatch: crawl in, jobs published, every confirmation awaited, then the answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from contract.crawl import Crawl
from contract.faults import Fault, UnreadableCrawl
from dispatcher.plan import Plan
from dispatcher.run_id import name_run
from dispatcher.sitemap import SitemapUnreadable
from dispatcher.sitemap_reader import SitemapUnavailable
from extraction.selectors import CHECKS
from publishing.publisher import Message, Publisher, PublishUnconfirmed


@dataclass(frozen=True)
class DispatchResponse:
    """What the caller is told: HTTP status and JSON body."""

    status: int
    body: dict[str, object]


@dataclass(frozen=True)
class Dispatcher:
    """Turns crawls into published jobs.

    Attributes:
        publisher: of the jobs topic.
        sitemap_urls: page URLs of a sitemap's URL.
        now: the time, with a time zone.
        ordered: whether jobs carry the ordering key of their host.
    """

    publisher: Publisher
    sitemap_urls: Callable[[str], Iterator[str]]
    now: Callable[[], datetime]
    ordered: bool = False

    def dispatch(self, body: bytes, *, schedule_time: str, traceparent: str) -> DispatchResponse:
        """Dispatch the crawl in `body`.

        Returns:
            200 once every job is confirmed; 400 with all faults of a crawl; 503 where the site's sitemap or
            Pub/Sub was not available: the same request then makes the same jobs again.
        """
        try:
            crawl = Crawl.decode(body, CHECKS)
            now = self.now()
            plan = Plan(crawl, name_run(crawl, schedule_time, now), now)
        except UnreadableCrawl as wrong:
            return DispatchResponse(
                400, {"error": f"the crawl was not dispatched: {wrong}", **_faults(wrong.faults)}
            )
        return self._publish(plan, traceparent)

    def _publish(self, plan: Plan, traceparent: str) -> DispatchResponse:
        jobs = plan.jobs(self._urls(plan.crawl))
        messages = (
            Message(data, job.attributes(traceparent), job.ordering_key() if self.ordered else "")
            for job, data in jobs
        )
        published, refusals = 0, list[PublishUnconfirmed]()
        try:
            for confirmation in self.publisher.publish_all(messages):
                if isinstance(confirmation, PublishUnconfirmed):
                    refusals.append(confirmation)
                else:
                    published += 1
        except SitemapUnreadable as wrong:
            fault = Fault("sources.sitemap", str(wrong))
            return DispatchResponse(
                400, {"error": str(fault), **_faults([fault]), **_counts(plan, published)}
            )
        except SitemapUnavailable as wrong:
            return _incomplete(plan, published, f"sources.sitemap: {wrong}", unconfirmed=len(refusals))
        if refusals:
            what = (
                f"{len(refusals)} of {published + len(refusals)} jobs are not confirmed: {refusals[0].detail}"
            )
            return _incomplete(plan, published, what, unconfirmed=len(refusals))
        return DispatchResponse(200, _counts(plan, published))

    def _urls(self, crawl: Crawl) -> Iterator[str]:
        sitemap = self.sitemap_urls(crawl.sources.sitemap) if crawl.sources.sitemap else ()
        return chain(crawl.sources.urls, sitemap)


def _incomplete(plan: Plan, published: int, what: str, *, unconfirmed: int) -> DispatchResponse:
    repeat = f"Repeat the request with run_id {plan.run_id}: it makes the same jobs."
    error = {"error": f"{what}. {repeat}", "unconfirmed": unconfirmed}
    return DispatchResponse(503, error | _counts(plan, published))


def _counts(plan: Plan, published: int) -> dict[str, object]:
    return {
        "run_id": plan.run_id,
        "published": published,
        "duplicates": plan.duplicates,
        "rejected": [{"url": url, "why": why} for url, why in plan.rejected],
        "rejected_count": plan.rejected_count,
        "over_limit": plan.over_limit,
    }


def _faults(faults: list[Fault]) -> dict[str, object]:
    return {"faults": [{"path": fault.path, "why": fault.message} for fault in faults]}
