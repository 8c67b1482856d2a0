"""Makes the jobs of a run from a crawl and its sources: one job, with its id, for each page. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from contract.crawl import Crawl
from contract.faults import Fault
from contract.job import Job
from contract.job_template import JobMessage, JobTemplate
from contract.quoting import hide_userinfo, shorten
from contract.request import PLAIN_GET
from contract.since import is_older
from contract.urls import canonical_url, check_url
from dispatcher.digest_set import DigestSet
from dispatcher.sources.source import (
    Found,
    FoundUrl,
    OutdatedPart,
    Source,
    SourceUnavailable,
    SourceUnreadable,
    UnreadPart,
)

MAX_URL_CHARACTERS = 200  #: maximum number of characters of a rejected URL in the response
MAX_LISTED_REJECTED = 1000  #: maximum length of each list in the response; further URLs are only counted


class Rejected(NamedTuple):
    """A URL for which no job was made, or a part of a source that was not read.

    Attributes:
        url: the URL, cut to 200 characters, and without user and password.
        why: a sentence that says what is invalid or missing.
    """

    url: str
    why: str


@dataclass
class Counts:
    """What became of the URLs of one source, or of a run.

    Attributes:
        found: number of URLs that were read. It is the sum of the next six numbers, and of the jobs that
            Pub/Sub did not confirm.
        published: number of jobs that Pub/Sub confirmed.
        duplicates: number of URLs whose page already has a job in this run.
        rejected: number of invalid URLs.
        filtered: number of URLs that `include` and `exclude` left out.
        outdated: number of URLs that `since` left out.
        over_limit: number of URLs beyond `limits.max_jobs`.
        outdated_sitemaps: number of listed sitemaps that were not read because of `since`.
        unread: number of parts that were not read, or not completely.
    """

    found: int = 0
    published: int = 0
    duplicates: int = 0
    rejected: int = 0
    filtered: int = 0
    outdated: int = 0
    over_limit: int = 0
    outdated_sitemaps: int = 0
    unread: int = 0


class PlannedJob(NamedTuple):
    """A job to publish.

    Attributes:
        message: its message.
        counts: the counts of its source, in which it is counted once it is confirmed.
    """

    message: JobMessage
    counts: Counts


@dataclass
class Plan:
    """Makes the jobs of one run one by one, and counts the URLs for which no job is made.

    Attributes:
        crawl: the crawl to dispatch.
        run_id: the id of the run.
        dispatched_at: when the run was dispatched, with a time zone.
        traceparent: the W3C traceparent of the dispatch.
        since: the time before which entries are too old, with a time zone; None for no time.
        sources: the counts of each source that was read so far, by its name.
        rejected: the first 1,000 invalid URLs, each with the reason.
        unread: the first 1,000 parts of sources that were not read, or not completely, each with the reason.
        unreadable: a fault for each source that cannot be read, or not to its end.
        unavailable: a fault for each source that could not be read now, or not to its end.
    """

    crawl: Crawl
    run_id: str
    dispatched_at: datetime
    traceparent: str = ""
    since: datetime | None = None
    sources: dict[str, Counts] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    unread: list[Rejected] = field(default_factory=list)
    unreadable: list[Fault] = field(default_factory=list)
    unavailable: list[Fault] = field(default_factory=list)
    _seen: DigestSet = field(default_factory=DigestSet)
    _is_over_limit: bool = False

    @cached_property
    def _template(self) -> JobTemplate:
        """Makes the messages of the jobs; raises a ValueError if they would be too large."""
        crawl = self.crawl
        job = Job(
            version=1 if crawl.request == PLAIN_GET else 2,
            job_id="0" * 32,
            run_id=self.run_id,
            crawl=crawl.name,
            url="http://template.invalid/",
            recipe=crawl.recipe,
            politeness=crawl.politeness,
            request=crawl.request,
            dispatched_at=self.dispatched_at,
        )
        return JobTemplate(job, self.traceparent)

    @property
    def totals(self) -> Counts:
        """The counts of all sources together."""
        rows = [asdict(counts) for counts in self.sources.values()]
        return Counts(**{name: sum(row[name] for row in rows) for name in asdict(Counts())})

    def jobs(self, source: Source) -> Iterator[PlannedJob]:
        """Yield the jobs of a source, and record its counts, and whether it could be read."""
        counts = self.sources.setdefault(source.name, Counts())
        maximum = self.crawl.limits.max_jobs
        limit_reached = f"because the run has {maximum} jobs, its maximum (limits.max_jobs)"
        if source.is_lazy and self._is_over_limit:
            self._add_unread(counts, source.address, f"not read, {limit_reached}")
            return
        try:
            for found in source.read():
                planned = self._job(found, counts)
                if planned is not None:
                    yield planned
                elif source.is_lazy and self._is_over_limit:
                    self._add_unread(counts, source.address, f"the rest was not read, {limit_reached}")
                    return
        except SourceUnavailable as error:
            self.unavailable.append(Fault(source.name, hide_userinfo(str(error))))
        except SourceUnreadable as error:
            self.unreadable.append(Fault(source.name, hide_userinfo(str(error))))
            if not counts.unread:
                self._add_unread(counts, source.address, str(error))

    def _job(self, found: Found, counts: Counts) -> PlannedJob | None:
        """Return the job of what a source yielded; None if it is only counted."""
        if isinstance(found, FoundUrl):
            counts.found += 1
            return self._job_of_url(found, counts)
        if isinstance(found, UnreadPart):
            self._add_unread(counts, found.url, found.why)
        elif isinstance(found, OutdatedPart):
            counts.outdated_sitemaps += 1
        else:
            counts.found += 1
            self._reject(counts, found.text, found.why)
        return None

    def _job_of_url(self, found: FoundUrl, counts: Counts) -> PlannedJob | None:
        if self.since is not None and is_older(found.lastmod, self.since):
            counts.outdated += 1
            return None
        try:
            url = check_url(found.url)
            if not self.crawl.sources.selects(url):
                counts.filtered += 1
                return None
            return self._new_job(url, found, counts)
        except ValueError as error:
            self._reject(counts, found.url, f"{found.place}: {error}" if found.place else str(error))
            return None

    def _new_job(self, url: str, found: FoundUrl, counts: Counts) -> PlannedJob | None:
        canonical = canonical_url(url)
        job_id = self._template.job_id(canonical)
        digest = bytes.fromhex(job_id)
        if digest in self._seen:
            counts.duplicates += 1
            return None
        if len(self._seen) >= self.crawl.limits.max_jobs:
            counts.over_limit += 1
            self._is_over_limit = True
            return None
        message = self._template.message(job_id, url, canonical, public_only=found.public_only)
        self._seen.add(digest)
        return PlannedJob(message, counts)

    def _reject(self, counts: Counts, text: str, why: str) -> None:
        counts.rejected += 1
        _add(self.rejected, text, why)

    def _add_unread(self, counts: Counts, url: str, why: str) -> None:
        counts.unread += 1
        _add(self.unread, url, why)


def _add(listed: list[Rejected], url: str, why: str) -> None:
    if len(listed) < MAX_LISTED_REJECTED:
        listed.append(Rejected(shorten(url, MAX_URL_CHARACTERS), hide_userinfo(why)))
