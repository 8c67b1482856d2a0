"""Defines the job: one page to scrape. A job contains its recipe, so a replay needs only the job."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contract.faults import UnreadableJob, parse_json_object
from contract.job_id import identify
from contract.recipe import MAX_PAGES, Recipe, shared_recipe
from contract.request import PLAIN_GET, PageRequest
from contract.selectors import SelectorChecks
from contract.trace import TRACEPARENT
from contract.urls import PageUrl, canonical_url, host_of, origin_of

MAX_JOB_BYTES = 64 * 1024
RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}$"
CRAWL_NAME = r"^[a-z][a-z0-9-]{0,62}$"
JOB_ID = r"^[0-9a-f]{32}$"
MAX_PER_HOST = 100
MAX_DEFERS = 1000  #: maximum number of times that a worker publishes a job again
MAX_ATTEMPTS = 100  #: maximum of MAX_ATTEMPTS, and of Pub/Sub's max_delivery_attempts

CrawlName = Annotated[str, Field(pattern=CRAWL_NAME)]
RunId = Annotated[str, Field(pattern=RUN_ID)]
JobId = Annotated[str, Field(pattern=JOB_ID)]
UrlDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class Politeness(BaseModel):
    """How requests to one host are limited."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    delay_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    """Minimum time between two requests to one host, in seconds, 0 to 60."""
    respect_robots: bool = True
    """Whether robots.txt is obeyed (RFC 9309)."""
    per_host: Annotated[int | None, Field(ge=1, le=MAX_PER_HOST)] = None
    """Maximum number of requests to one host that all workers together send at the same time, 1 to 100.
    Without it, the number is 1 if `delay_seconds` is set, and otherwise unlimited."""

    @property
    def lanes(self) -> int:
        """Number of ordering keys of a host; 0 if jobs of the host have no ordering key.

        Pub/Sub delivers one message of an ordering key at a time, so the jobs of a host that must wait for
        their turn wait in Pub/Sub, and the limits hold for all workers together.
        """
        return self.per_host or (1 if self.delay_seconds else 0)


class Job(BaseModel):
    """One page to scrape. If an encoded job is decoded and then encoded again, the bytes are the same.

    Attributes:
        version: version of the format: 2 if the job has a `request`, which a worker of version 0.1 would
            ignore, else 1.
        job_id: 32 hex digits, computed by `identify`.
        run_id: the run that the job belongs to.
        crawl: name of the crawl.
        url: URL of the page, as it will be requested.
        recipe: what to extract from the page.
        politeness: how requests to the page's host are limited.
        request: how the page is requested, if a plain GET is not enough.
        dispatched_at: when the dispatcher made the job, with a time zone.
        not_before: earliest time of the next attempt; None if the job need not wait.
        defers: how often the worker published the job again (ACK_POLICY=settled).
        attempts: number of failed requests for the page by which earlier messages of this job ended
            (ACK_POLICY=settled).
        page: number of the page in its listing, from 1; 1 also for a page that belongs to no listing.
        listing: job id of the listing's first page; None for that page itself.
        visited: digests of the listing's URLs before this page, by which a loop is found.
        until: time after which the page is not requested (`limits.until` of the crawl); None for no limit.
        public_only: whether only public addresses may be requested, because the URL comes from a page or a
            sitemap at a public address. FETCH_ALLOW_NETWORKS allows no other addresses to such a job.
        replaces: job id of the job for the same page that this one replaces, with another recipe; None for a
            job that was dispatched. The ledger counts that job as replaced as soon as this one is published.
        original: job id of the job that was dispatched, if `replaces` is set: the first one of a chain of
            replacements. A page has one result in the ledger, the newest success of its chain.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1, 2] = 1
    job_id: JobId
    run_id: RunId
    crawl: CrawlName
    url: PageUrl
    recipe: Recipe
    politeness: Politeness = Politeness()
    request: PageRequest = Field(default_factory=lambda: PLAIN_GET)  # pydantic would copy a default
    dispatched_at: AwareDatetime
    not_before: AwareDatetime | None = None
    defers: Annotated[int, Field(ge=0, le=MAX_DEFERS)] = 0
    attempts: Annotated[int, Field(ge=0, le=MAX_ATTEMPTS)] = 0
    page: Annotated[int, Field(ge=1, le=MAX_PAGES)] = 1
    listing: JobId | None = None
    visited: Annotated[tuple[UrlDigest, ...], Field(max_length=2 * MAX_PAGES)] = ()
    until: AwareDatetime | None = None
    public_only: bool = False
    replaces: JobId | None = None
    original: JobId | None = None

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON.

        Raises:
            ValueError: if the job has more than 64 KiB.
        """
        short_forms = {"recipe": self.recipe.to_json_dict(), "request": self.request.to_json_dict()}
        document = self.model_dump(mode="json") | short_forms
        # Most jobs have the defaults of these fields, which are left out.
        return _encode({name: value for name, value in document.items() if _OPTIONAL.get(name, ...) != value})

    @classmethod
    def decode(cls, data: bytes, selectors: SelectorChecks | None = None) -> Self:
        """Decode message data.

        Args:
            data: UTF-8 JSON.
            selectors: functions that check that the recipe's selectors compile
                (`extraction.selectors.CHECKS`); None skips the check, for callers that do not use the recipe.

        Raises:
            UnreadableJob: the data is not a valid job; the exception has the data and all faults.
        """
        document = parse_json_object(data, UnreadableJob, max_bytes=MAX_JOB_BYTES, kind="job")
        with suppress(KeyError, ValidationError):  # the faults of the recipe are among those of the job
            document["recipe"] = shared_recipe(json.dumps(document["recipe"]), selectors)
        try:
            return cls.model_validate(document, context=selectors)
        except ValidationError as error:
            raise UnreadableJob.from_validation(data, error) from None

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes, which identify the job even if its body cannot be decoded.

        A further page of a listing has its listing and its page number. They show the ledger that the job of
        this page was published. The attribute `replaces` shows it that another job is replaced.
        """
        attributes = {
            "job_id": self.job_id,
            "run_id": self.run_id,
            "crawl": self.crawl,
            "host": host_of(self.url),
            "version": str(self.version),
            "traceparent": traceparent,
            "listing": self.listing or "",
            "page": str(self.page) if self.listing else "",
            "replaces": self.replaces or "",
        }
        return {name: value for name, value in attributes.items() if value}

    @property
    def listing_id(self) -> str:
        """Job id of the first page of the job's listing."""
        return self.listing or self.job_id

    @property
    def lane(self) -> int:
        """Number of the job's ordering key among those of its host; it is derived from the URL."""
        return lane_of(canonical_url(self.url), self.politeness)

    def ordering_key(self) -> str:
        """Return the ordering key of the job's message; `""` if the job may be delivered at any time.

        It is `host#n`, where n is the `lane`, if the crawl limits the requests to a host. A further page of
        a listing has at least the key of its listing, so that copies of one page are never scraped at the
        same time.
        """
        if self.politeness.lanes:
            return f"{host_of(self.url).rstrip('.')}#{self.lane}"
        return f"list#{self.listing}" if self.listing else ""

    def next_page(self, url: str, final_url: str = "", *, public_only: bool = False) -> Self:
        """Return the job of the next page of the listing.

        Args:
            url: the next page's URL, as `check_url` returns it.
            final_url: the URL of this job's page after redirects; `""` for the job's own URL.
            public_only: whether this job's page came from a public address.
        """
        listing = self.listing_id
        request = self.request.for_link(same_origin=origin_of(url) == origin_of(self.url))
        seen = dict.fromkeys((*self.visited, url_digest(self.url), url_digest(final_url or self.url)))
        return self.model_copy(
            update={
                "job_id": identify(self.run_id, url, self.recipe, listing, request),
                "url": url,
                "request": request,
                "not_before": None,
                "defers": 0,
                "attempts": 0,
                "page": self.page + 1,
                "listing": listing,
                "visited": tuple(seen),
                "public_only": self.public_only or public_only,
                "replaces": None,
                "original": None,
            }
        )


#: Fields that are left out of the message while they have these values.
_OPTIONAL: dict[str, Any] = {
    "request": {},
    "not_before": None,
    "defers": 0,
    "attempts": 0,
    "page": 1,
    "listing": None,
    "visited": [],
    "until": None,
    "public_only": False,
    "replaces": None,
    "original": None,
}


def lane_of(canonical: str, politeness: Politeness) -> int:
    """Return the number of a page's ordering key among those of its host, by its canonical URL."""
    if politeness.lanes < 2:
        return 0
    digest = hashlib.sha256(canonical.encode()).digest()
    return int.from_bytes(digest[:8]) % politeness.lanes


def url_digest(url: str) -> str:
    """Return a short digest of a canonical URL, 12 hex digits, for `Job.visited`."""
    return hashlib.sha256(canonical_url(url).encode()).hexdigest()[:12]


def requeued(data: bytes, *, not_before: datetime | None, defers: int, attempts: int) -> bytes:
    """Return a job's message data for publishing it again.

    All other fields are kept, including fields that only later versions define.

    Args:
        data: the encoded job.
        not_before: the earliest time of the next attempt, rounded up to milliseconds; None for any time.
        defers: how often the job was published again, including this time.
        attempts: number of failed requests for the page so far.

    Raises:
        UnreadableJob: if `data` is not a JSON object.
        ValueError: if the job has more than 64 KiB.
    """
    document = parse_json_object(data, UnreadableJob, max_bytes=MAX_JOB_BYTES, kind="job")
    document |= {"not_before": None, "defers": defers, "attempts": attempts}
    if not_before is not None:
        rounded_up = not_before.astimezone(UTC) + timedelta(microseconds=999)
        document["not_before"] = rounded_up.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode({name: value for name, value in document.items() if _OPTIONAL.get(name, ...) != value})


def _encode(document: dict[str, Any]) -> bytes:
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MAX_JOB_BYTES:
        raise ValueError(f"the job has {len(data)} bytes; the maximum is {MAX_JOB_BYTES}")
    return data


class JobAttributes(BaseModel):
    """The valid attributes of a job's message; a missing or invalid attribute is `""`.

    Attributes are used only for logs and joins, so a job with a valid body must not fail because of an
    invalid attribute.

    Attributes:
        job_id: 32 hex digits.
        run_id: the run that the job belongs to.
        crawl: name of the crawl.
        host: host of the page's URL.
        traceparent: the W3C traceparent of the dispatch.
    """

    model_config = ConfigDict(frozen=True)

    job_id: Annotated[str, Field(pattern=JOB_ID)] = ""
    run_id: Annotated[str, Field(pattern=RUN_ID)] = ""
    crawl: Annotated[str, Field(pattern=CRAWL_NAME)] = ""
    host: Annotated[str, Field(max_length=253)] = ""
    traceparent: Annotated[str, Field(pattern=TRACEPARENT)] = ""

    @classmethod
    def read(cls, attributes: dict[str, str]) -> Self:
        """Return the valid attributes of a message; invalid attributes are dropped without an error."""
        try:
            return cls.model_validate(attributes)
        except ValidationError as error:
            invalid = {
                details["loc"][0] for details in error.errors(include_url=False, include_context=False)
            }
            return cls.model_validate(
                {name: value for name, value in attributes.items() if name not in invalid}
            )
