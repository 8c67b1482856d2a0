"""Makes the jobs of a run from a crawl and its sources: one job, with its id, for each page. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from contract.crawl import Crawl
from contract.dispatch_report import DispatchCounts
from contract.faults import Fault
from contract.job import Job
from contract.job_template import JobMessage, JobTemplate
from contract.quoting import hide_userinfo, shorten
from contract.request import PLAIN_GET
from contract.shard import Position, SitemapPosition
from contract.since import is_older
from contract.urls import canonical_url, check_url
from dispatcher.digest_set import DigestSet
from dispatcher.request_limit import RequestLimit
from dispatcher.sources.source import (
    Checkpoint,
    FoundUrl,
    InvalidEntry,
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


class Place(NamedTuple):
    """A place in the sources of a crawl, at which a further request can continue.

    Attributes:
        source: the name of the source.
        position: the position in the source; None for its beginning.
    """

    source: str
    position: Position | None = None


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
    """Makes the jobs of one request one by one, and counts the URLs for which no job is made.

    Attributes:
        crawl: the crawl to dispatch.
        run_id: the id of the run.
        dispatched_at: when the run was dispatched, with a time zone.
        traceparent: the W3C traceparent of the dispatch.
        request_id: the attribute of the jobs that names this request; `""` for no attribute.
        since: the time before which entries are too old, with a time zone; None for no time.
        limit: decides when the request stops reading.
        before: the counts of the requests before, which belong to the same run.
        is_continued: whether there were requests before. A source that is not available then ends the
            request, since it will be repeated, and the jobs of the next sources would be made each time.
        rest: where a further request continues; None if nothing is left.
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
    request_id: str = ""
    since: datetime | None = None
    limit: RequestLimit = field(default_factory=RequestLimit)
    before: DispatchCounts = field(default_factory=DispatchCounts)
    is_continued: bool = False
    rest: Place | None = None
    sources: dict[str, Counts] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    unread: list[Rejected] = field(default_factory=list)
    unreadable: list[Fault] = field(default_factory=list)
    unavailable: list[Fault] = field(default_factory=list)
    _seen: DigestSet = field(default_factory=DigestSet)
    _is_over_limit: bool = False
    _place: Place | None = None
    _has_checkpoint: bool = False  # of the current source

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
            until=crawl.limits.until,
        )
        return JobTemplate(job, self.traceparent, self.request_id)

    @property
    def totals(self) -> Counts:
        """The counts of all sources together, of this request."""
        rows = [asdict(each) for each in self.sources.values()]
        return Counts(**{name: sum(row[name] for row in rows) for name in asdict(Counts())})

    def jobs(self, source: Source, start: Position | None = None) -> Iterator[PlannedJob]:
        """Yield the jobs of a source, and record its counts, and whether it could be read.

        Args:
            source: the source. It is not read if `rest` is set.
            start: the position after which reading begins; None for the beginning.
        """
        if self._is_stopped_at_start(source, start):
            return
        counts = self.sources.setdefault(source.name, Counts())
        maximum = self.crawl.limits.max_jobs
        limit_reached = f"because the run has {maximum} jobs, its maximum (limits.max_jobs)"
        if source.is_lazy and self._is_over_limit:
            self._add_unread(counts, source.address, f"not read, {limit_reached}")
            return
        self._has_checkpoint = False
        try:
            for found in source.read(start):
                if isinstance(found, Checkpoint):
                    self._has_checkpoint = True
                    if self._stops(Place(source.name, found.position)):
                        return
                elif (planned := self._job(found, counts)) is not None:
                    yield planned
                elif source.is_lazy and self._is_over_limit:
                    self._add_unread(counts, source.address, f"the rest was not read, {limit_reached}")
                    return
        except (SourceUnavailable, SourceUnreadable) as error:
            self._end(source, counts, error)

    def _is_stopped_at_start(self, source: Source, start: Position | None) -> bool:
        if self.rest is not None or (self.is_continued and self.unavailable):
            return True
        if start is None and self._place is not None and isinstance(self._place.position, SitemapPosition):
            # The place after a sitemap also has what all sitemaps of the crawl have in common.
            return False
        return self._stops(Place(source.name, start))

    def _stops(self, place: Place) -> bool:
        """Return whether the request stops at a place, because its limit is reached."""
        if self._place is not None and self._place != place:
            self.limit.has_advanced = True
            if self.limit.is_reached(self.totals.found):
                self.rest = place
        self._place = place
        return self.rest is not None

    def _end(self, source: Source, counts: Counts, error: SourceUnavailable | SourceUnreadable) -> None:
        """Record that a source ended with an error.

        If a part of the source was read, a further request tries to read the rest, so that this part is not
        dispatched again.
        """
        fault = Fault(source.name, hide_userinfo(str(error)))
        if isinstance(error, SourceUnreadable):
            self.unreadable.append(fault)
            if not counts.unread:
                self._add_unread(counts, source.address, str(error))
        elif self.limit.stops_reading or (self._has_checkpoint and self.limit.can_stop):
            self.rest = self._place
        else:
            self.unavailable.append(fault)

    def add_unread_rest(self, why: str) -> None:
        """Record that no further request continues, and why; `rest` is then None."""
        if self.rest is not None:
            self._add_unread(
                self.sources[self.rest.source], self.rest.source, f"the rest was not read, {why}"
            )
            self.rest = None

    def _job(
        self, found: FoundUrl | InvalidEntry | UnreadPart | OutdatedPart, counts: Counts
    ) -> PlannedJob | None:
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
        if self.before.published + len(self._seen) >= self.crawl.limits.max_jobs:
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
