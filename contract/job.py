"""The job: one page to scrape, self-contained, so that a replay needs nothing else."""

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
    """How gently the pages' hosts are treated.

    Attributes:
        delay_seconds: pause between two requests to one host, seconds, 0 to 60.
        respect_robots: whether robots.txt is obeyed (RFC 9309).
        per_host: jobs of one host under way at once, all workers together, 1 to 100; where the politeness of
            the system is `ordered`.
    """

    model_config = ConfigDict(frozen=True)

    delay_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    respect_robots: bool = True
    per_host: Annotated[int, Field(ge=1, le=MAX_PER_HOST)] = 1


class Job(BaseModel):
    """One page to scrape. Frozen; what is decoded and encoded again has the same bytes.

    Attributes:
        job_id: 32 hex digits, see `identify`.
        run_id: the dispatch it belongs to.
        crawl: the crawl's name.
        url: as it will be requested.
        dispatched_at: when the dispatcher made it, with a time zone.
        not_before: until when its site asked to be left alone (Retry-After); None where it did not.
        defers: how often the job was published again for that.
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
            ValueError: where the job would have more than 64 KiB.
        """
        document = self.model_dump(mode="json") | {"recipe": self.recipe.to_json_dict()}
        deferral = {"not_before": None, "defers": 0}  # of most jobs, and not worth its bytes
        return _encode({name: value for name, value in document.items() if deferral.get(name, ...) != value})

    @classmethod
    def decode(cls, data: bytes, selectors: SelectorChecks | None = None) -> Self:
        """Read message data.

        Args:
            data: UTF-8 JSON.
            selectors: reject the selectors that do not compile (`extraction.selectors.CHECKS`); None accepts
                them unchecked, for a reader that does not use the recipe.

        Raises:
            UnreadableJob: with the bytes and every fault.
        """
        document = parse_json_object(data, UnreadableJob, max_bytes=MAX_JOB_BYTES, what="job")
        try:
            return cls.model_validate(document, context=selectors)
        except ValidationError as wrong:
            raise UnreadableJob.from_validation(data, wrong) from None

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes: what is known even where the body cannot be read."""
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
        """Return `host#n`, with n < `per_host` from the URL: the jobs of which one is under way at a time."""
        digest = hashlib.sha256(canonical_url(self.url).encode()).digest()
        number = int.from_bytes(digest[:8]) % self.politeness.per_host
        return f"{host_of(self.url).rstrip('.')}#{number}"


def defer(data: bytes, not_before: datetime, defers: int) -> bytes:
    """Return a job's message data with these two fields; all others stay, also those of a later version.

    The time is written in milliseconds, not before the one that is given.

    Raises:
        UnreadableJob: where there is no JSON object.
        ValueError: where the job would have more than 64 KiB.
    """
    document = parse_json_object(data, UnreadableJob, max_bytes=MAX_JOB_BYTES, what="job")
    rounded_up = not_before.astimezone(UTC) + timedelta(microseconds=999)
    until = rounded_up.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode(document | {"not_before": until, "defers": defers})


def _encode(document: dict[str, Any]) -> bytes:
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MAX_JOB_BYTES:
        raise ValueError(f"the job has {len(data)} bytes; at most {MAX_JOB_BYTES} are sent")
    return data


class JobAttributes(BaseModel):
    """The attributes of a job's message, as far as they are there and well formed.

    They come from outside like the body: a value that is none becomes `""`, since they serve logs and
    joins and must not cost a job that can be read.
    """

    model_config = ConfigDict(frozen=True)

    job_id: Annotated[str, Field(pattern=JOB_ID)] = ""
    run_id: Annotated[str, Field(pattern=RUN_ID)] = ""
    crawl: Annotated[str, Field(pattern=CRAWL_NAME)] = ""
    host: Annotated[str, Field(max_length=253)] = ""
    traceparent: Annotated[str, Field(pattern=TRACEPARENT)] = ""

    @classmethod
    def read(cls, attributes: dict[str, str]) -> Self:
        """Take what is well formed from a message's attributes; never raises."""
        try:
            return cls.model_validate(attributes)
        except ValidationError as wrong:
            bad = {error["loc"][0] for error in wrong.errors(include_url=False, include_context=False)}
            return cls.model_validate({name: value for name, value in attributes.items() if name not in bad})


def identify(run_id: str, url: str, recipe: Recipe) -> str:
    """Return the job's id: the same run, page and recipe give the same id, always.

    `url` is one that `check_url` wrote, so that all spellings of a page share an id.
    128 bits of SHA-256 over the three, separated by NULs, which none of them can hold.
    """
    recipe_json = json.dumps(recipe.to_json_dict(), sort_keys=True, separators=(",", ":"))
    text = "\0".join((run_id, canonical_url(url), recipe_json))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
