"""From a crawl and its URLs to jobs: canonical, distinct, identified. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from contract.crawl import Crawl
from contract.job import Job, identify
from contract.urls import check_url

MAX_SHOWN_URL = 200  #: characters of a rejected URL that the answer repeats
MAX_SHOWN_REJECTED = 1000  #: rejected URLs that the answer lists; the rest is counted


class Rejected(NamedTuple):
    """A URL that became no job, and why."""

    url: str
    why: str


@dataclass
class Plan:
    """The jobs of one run, made one by one as they are asked for, and a count of what became none.

    Attributes:
        duplicates: URLs whose page already has a job in this run.
        over_limit: URLs past `limits.max_jobs`.
        rejected: URLs that are none, the first 1,000 of them.
        rejected_count: all of them.
    """

    crawl: Crawl
    run_id: str
    dispatched_at: datetime
    duplicates: int = 0
    over_limit: int = 0
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def jobs(self, urls: Iterable[str]) -> Iterator[tuple[Job, bytes]]:
        """Yield each job with its encoding."""
        for url in urls:
            try:
                planned = self._job(check_url(url))
            except ValueError as wrong:
                self._reject(url, str(wrong))
                continue
            if planned is not None:
                yield planned

    def _job(self, url: str) -> tuple[Job, bytes] | None:
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
        )
        data = job.encode()
        self._seen.add(job_id)
        return job, data

    def _reject(self, url: str, why: str) -> None:
        self.rejected_count += 1
        if len(self.rejected) < MAX_SHOWN_REJECTED:
            shown = url if len(url) <= MAX_SHOWN_URL else url[:MAX_SHOWN_URL] + "…"
            self.rejected.append(Rejected(shown, why))
