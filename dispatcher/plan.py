"""Makes the jobs of a run from a crawl and its URLs: one job, with its id, for each page. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from contract.crawl import Crawl
from contract.job import Job, identify
from contract.quoting import hide_userinfo, shorten
from contract.urls import check_url

MAX_URL_CHARACTERS = 200  #: maximum number of characters of a rejected URL in the response
MAX_LISTED_REJECTED = 1000  #: maximum length of each list in the response; further URLs are only counted


class Rejected(NamedTuple):
    """A URL for which no job was made, or a sitemap that was not read.

    Attributes:
        url: the URL, cut to 200 characters, and without user and password.
        why: a sentence that says what is invalid or missing.
    """

    url: str
    why: str


@dataclass
class Plan:
    """Makes the jobs of one run one by one, and counts the URLs for which no job is made.

    Attributes:
        crawl: the crawl to dispatch.
        run_id: the id of the run.
        dispatched_at: when the run was dispatched, with a time zone.
        duplicates: number of URLs whose page already has a job in this run.
        over_limit: number of URLs beyond `limits.max_jobs`; after the first, a sitemap is not read further.
        rejected_count: number of invalid URLs.
        rejected: the first 1,000 invalid URLs, each with the reason.
        unread_sitemap_count: number of listed sitemaps that were not read, or not completely.
        unread_sitemaps: the first 1,000 of them, each with the reason.
    """

    crawl: Crawl
    run_id: str
    dispatched_at: datetime
    duplicates: int = 0
    over_limit: int = 0
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    unread_sitemap_count: int = 0
    unread_sitemaps: list[Rejected] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def jobs(
        self, urls: Iterable[str], public_only: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Job, bytes]]:
        """Yield each job with its message data.

        Args:
            urls: the URLs, unchecked.
            public_only: returns whether the current URL comes from a public address (`Job.public_only`).
        """
        for url in urls:
            try:
                planned = self._job(check_url(url), public_only=public_only())
            except ValueError as error:
                self._reject(url, str(error))
                continue
            if planned is not None:
                yield planned

    def _job(self, url: str, *, public_only: bool) -> tuple[Job, bytes] | None:
        job_id = identify(self.run_id, url, self.crawl.recipe)
        if job_id in self._seen:
            self.duplicates += 1
            return None
        if len(self._seen) >= self.crawl.limits.max_jobs:
            self.over_limit += 1
            return None
        job = Job(
            job_id=job_id,
            run_id=self.run_id,
            crawl=self.crawl.name,
            url=url,
            recipe=self.crawl.recipe,
            politeness=self.crawl.politeness,
            dispatched_at=self.dispatched_at,
            public_only=public_only,
        )
        data = job.encode()
        self._seen.add(job_id)
        return job, data

    def add_unread_sitemap(self, url: str, why: str) -> None:
        """Record that pages may be missing, because a sitemap was not read, or not completely."""
        self.unread_sitemap_count += 1
        _add(self.unread_sitemaps, url, why)

    def _reject(self, url: str, why: str) -> None:
        self.rejected_count += 1
        _add(self.rejected, url, why)


def _add(listed: list[Rejected], url: str, why: str) -> None:
    if len(listed) < MAX_LISTED_REJECTED:
        listed.append(Rejected(shorten(url, MAX_URL_CHARACTERS), hide_userinfo(why)))
