"""Defines the job: one page to scrape. A job contains its recipe, so a replay needs only the job."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contract.faults import UnreadableJob, parse_json_object
from contract.recipe import Recipe
from contract.selectors import SelectorChecks
from contract.trace import TRACEPARENT
from contract.urls import PageUrl, canonical_url, host_of

MAX_JOB_BYTES = 64 * 1024
RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}$"
CRAWL_NAME = r"^[a-z][a-z0-9-]{0,62}$"
JOB_ID = r"^[0-9a-f]{32}$"
MAX_PER_HOST = 100

CrawlName = Annotated[str, Field(pattern=CRAWL_NAME)]
RunId = Annotated[str, Field(pattern=RUN_ID)]
JobId = Annotated[str, Field(pattern=JOB_ID)]


class Politeness(BaseModel):
    """How requests to one host are limited."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    delay_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    """Minimum time between two requests to one host, in seconds, 0 to 60."""
    respect_robots: bool = True
    """Whether robots.txt is obeyed (RFC 9309)."""
    per_host: Annotated[int, Field(ge=1, le=MAX_PER_HOST)] = 1
    """Maximum number of jobs of one host that all workers together process at the same time, 1 to 100. The
    maximum applies only if jobs are published with ordering keys (POLITENESS=ordered)."""


class Job(BaseModel):
    """One page to scrape. If an encoded job is decoded and then encoded again, the bytes are the same.

    Attributes:
        version: version of the format.
        job_id: 32 hex digits, computed by `identify`.
        run_id: the run that the job belongs to.
        crawl: name of the crawl.
        url: URL of the page, as it will be requested.
        recipe: what to extract from the page.
        politeness: how requests to the page's host are limited.
        dispatched_at: when the dispatcher made the job, with a time zone.
        not_before: earliest time of the next attempt, because the site sent Retry-After; None if the job was
            not deferred.
        defers: how often the job was published again because of Retry-After.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    job_id: JobId
    run_id: RunId
    crawl: CrawlName
    url: PageUrl
    recipe: Recipe
    politeness: Politeness = Politeness()
    dispatched_at: AwareDatetime
    not_before: AwareDatetime | None = None
    defers: Annotated[int, Field(ge=0, le=1000)] = 0

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON.

        Raises:
            ValueError: if the job has more than 64 KiB.
        """
        document = self.model_dump(mode="json") | {"recipe": self.recipe.to_json_dict()}
        deferral = {"not_before": None, "defers": 0}  # most jobs have these defaults, which are left out
        return _encode({name: value for name, value in document.items() if deferral.get(name, ...) != value})

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
        try:
            return cls.model_validate(document, context=selectors)
        except ValidationError as error:
            raise UnreadableJob.from_validation(data, error) from None

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes, which identify the job even if its body cannot be decoded."""
        attributes = {
            "job_id": self.job_id,
            "run_id": self.run_id,
            "crawl": self.crawl,
            "host": host_of(self.url),
            "version": str(self.version),
            "traceparent": traceparent,
        }
        return {name: value for name, value in attributes.items() if value}

    def ordering_key(self) -> str:
        """Return `host#n`, where n is derived from the URL and less than `per_host`.

        Pub/Sub delivers one message of each ordering key at a time, so at most `per_host` jobs of a host are
        processed at the same time.
        """
        digest = hashlib.sha256(canonical_url(self.url).encode()).digest()
        number = int.from_bytes(digest[:8]) % self.politeness.per_host
        return f"{host_of(self.url).rstrip('.')}#{number}"


def defer(data: bytes, not_before: datetime, defers: int) -> bytes:
    """Return a job's message data with `not_before` and `defers` replaced.

    All other fields are kept, including fields that only later versions define.

    Args:
        data: the encoded job.
        not_before: the earliest time of the next attempt; it is rounded up to milliseconds.
        defers: how often the job was deferred, including this time.

    Raises:
        UnreadableJob: if `data` is not a JSON object.
        ValueError: if the job has more than 64 KiB.
    """
    document = parse_json_object(data, UnreadableJob, max_bytes=MAX_JOB_BYTES, kind="job")
    rounded_up = not_before.astimezone(UTC) + timedelta(microseconds=999)
    until = rounded_up.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode(document | {"not_before": until, "defers": defers})


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


def identify(run_id: str, url: str, recipe: Recipe) -> str:
    """Return the job's id. The same run, page and recipe always give the same id.

    The id is the first 128 bits, in hex, of SHA-256 over run_id, canonical URL and recipe. They are separated
    by NUL characters, which cannot occur in them.

    Args:
        run_id: the run.
        url: a URL that `check_url` returned, so that all equivalent URLs of a page give the same id.
        recipe: the recipe.
    """
    recipe_json = json.dumps(recipe.to_json_dict(), sort_keys=True, separators=(",", ":"))
    text = "\0".join((run_id, canonical_url(url), recipe_json))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
