"""Defines the crawl, which describes what to scrape and how.

Cloud Scheduler posts a crawl to the dispatcher as the body of a request.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contract.faults import UnreadableCrawl, parse_json_object, unsupported_values
from contract.job import CrawlName, Politeness, RunId
from contract.recipe import Recipe
from contract.request import PLAIN_GET, PageRequest
from contract.selectors import SelectorChecks
from contract.sources import UrlSources

MAX_CRAWL_BYTES = 1024 * 1024  #: Cloud Scheduler sends at most 1 MB (its quotas page)
MAX_JOBS = 1_000_000
_DOCUMENTED = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Limits(BaseModel):
    """Limits of one run."""

    model_config = _DOCUMENTED

    max_jobs: Annotated[int, Field(ge=1, le=MAX_JOBS)] = 10_000
    """Maximum number of jobs of one run. Further `urls` are counted but not dispatched, and the rest of the
    other sources is not read."""
    usd: Annotated[float | None, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = None
    """Maximum cost of the run in US dollars, by the prices of `scrapeq plan`. `scrapeq dispatch` refuses a
    crawl whose likely cost is higher. While `scrapeq up`, `dispatch --wait` or `wait` watches the run, it is
    cancelled when the bill of its ledger reaches this limit."""
    until: AwareDatetime | None = None
    """Time after which no page of the run is requested, with a time zone, for example
    `2026-11-22T18:00:00Z`. It travels in each job. Jobs that are delivered later end as cancelled, for the
    reason `run_limit`."""
    bytes: Annotated[int | None, Field(ge=1, le=10**15)] = None
    """Maximum number of bytes of the pages of the run. While `scrapeq up`, `dispatch --wait` or `wait`
    watches the run, it is cancelled when its pages reach this limit."""


class Crawl(BaseModel):
    """What to scrape and how."""

    model_config = _DOCUMENTED

    name: CrawlName
    """Name of the crawl: a lower-case letter, then at most 62 characters of a-z, 0-9 and hyphen. A run_id
    that the dispatcher makes begins with this name."""
    run_id: RunId | None = None
    """Identifier of the run. Set it if the request may be repeated. If it is missing, the dispatcher makes
    one."""
    sources: UrlSources
    """Where the URLs of the pages come from."""
    recipe: Recipe
    """What to extract from each page."""
    limits: Limits = Limits()
    """Limits of one run."""
    politeness: Politeness = Politeness()
    """How requests to one host are limited."""
    request: PageRequest = PLAIN_GET
    """How a page is requested, if a plain GET is not enough."""

    def run_id_at(self, started_at: datetime) -> str:
        """Return the crawl's run_id, or else its name and the UTC time at which the run started.

        A time that is no whole second is given in milliseconds, so that two runs that people start within one
        second are two runs. Repeated requests must have the same run id to make the same jobs.
        """
        if self.run_id is not None:
            return self.run_id
        time = started_at.astimezone(UTC).replace(tzinfo=None)
        digits = "milliseconds" if time.microsecond >= 1000 else "seconds"
        return f"{self.name}-{time.isoformat(timespec=digits)}Z"

    @classmethod
    def decode(cls, body: bytes, selectors: SelectorChecks) -> Self:
        """Decode the body of a dispatch request.

        Args:
            body: UTF-8 JSON.
            selectors: functions that check that the recipe's selectors compile
                (`extraction.selectors.CHECKS`).

        Raises:
            UnreadableCrawl: the body is not a valid crawl; the exception lists every fault with its path
                (for example `recipe.fields.price.type: …`).
        """
        document = parse_json_object(body, UnreadableCrawl, max_bytes=MAX_CRAWL_BYTES, kind="crawl")
        return cls.from_document(document, selectors, raw=body)

    @classmethod
    def from_document(cls, document: dict[str, Any], selectors: SelectorChecks, *, raw: bytes = b"") -> Self:
        """Read a crawl from JSON values.

        People write crawls, so an unknown field is rejected: it is probably a typo.

        Args:
            document: the crawl as JSON values.
            selectors: see `decode`.
            raw: the bytes from which the document was read; they become the exception's `raw`.

        Raises:
            UnreadableCrawl: as in `decode`.
        """
        for fault in unsupported_values(document):
            raise UnreadableCrawl(raw, [fault])
        try:
            return cls.model_validate(document, extra="forbid", context=selectors)
        except ValidationError as error:
            raise UnreadableCrawl.from_validation(raw, error, cls) from None
