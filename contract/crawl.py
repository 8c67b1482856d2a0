"""The crawl: what to scrape and how. The body that Cloud Scheduler posts to the dispatcher."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.faults import UnreadableCrawl, odd_values, parse_json_object
from contract.job import CrawlName, Politeness, RunId
from contract.recipe import Recipe
from contract.selectors import SelectorChecks
from contract.urls import PageUrl

MAX_CRAWL_BYTES = 1024 * 1024  #: what Cloud Scheduler sends at most is 1 MB (its quotas page)
MAX_INLINE_URLS = 10_000
MAX_JOBS = 100_000


class UrlSources(BaseModel):
    """Where the pages' URLs come from; at least one of the two.

    Attributes:
        urls: the URLs themselves. Each is checked by itself, so that one bad URL rejects no others.
        sitemap: URL of a sitemap or sitemap index (sitemaps.org), `.gz` or not.
    """

    model_config = ConfigDict(frozen=True)

    urls: Annotated[tuple[str, ...], Field(max_length=MAX_INLINE_URLS)] = ()
    sitemap: PageUrl | None = None

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if not self.urls and self.sitemap is None:
            raise ValueError("there is no source: give urls, a sitemap, or both")
        return self


class Limits(BaseModel):
    """How far a run may go.

    Attributes:
        max_jobs: jobs of one run at most; URLs past it are counted and left out.
    """

    model_config = ConfigDict(frozen=True)

    max_jobs: Annotated[int, Field(ge=1, le=MAX_JOBS)] = 10_000


class Crawl(BaseModel):
    """What to scrape and how.

    Attributes:
        name: lower case, digits and hyphens, at most 63; part of every run_id.
        run_id: set by a caller that may have to repeat its request; else the dispatcher makes one.
    """

    model_config = ConfigDict(frozen=True)

    name: CrawlName
    run_id: RunId | None = None
    sources: UrlSources
    recipe: Recipe
    limits: Limits = Limits()
    politeness: Politeness = Politeness()

    @classmethod
    def decode(cls, body: bytes, selectors: SelectorChecks) -> Self:
        """Read the body of a dispatch.

        Args:
            body: UTF-8 JSON.
            selectors: reject the selectors that do not compile (`extraction.selectors.CHECKS`).

        Raises:
            UnreadableCrawl: with every fault, each naming its path (`recipe.fields.price.type: …`).
        """
        document = parse_json_object(body, UnreadableCrawl, max_bytes=MAX_CRAWL_BYTES, what="crawl")
        return cls.from_document(document, selectors, raw=body)

    @classmethod
    def from_document(cls, document: dict[str, Any], selectors: SelectorChecks, *, raw: bytes = b"") -> Self:
        """Read a crawl from JSON values. People write crawls, so an unknown field is a fault: a typo.

        Args:
            document: the crawl as JSON values.
            selectors: see `decode`.
            raw: the bytes that the document was read from; the exception keeps them.

        Raises:
            UnreadableCrawl: as in `decode`.
        """
        for fault in odd_values(document):
            raise UnreadableCrawl(raw, [fault])
        try:
            return cls.model_validate(document, extra="forbid", context=selectors)
        except ValidationError as wrong:
            raise UnreadableCrawl.from_validation(raw, wrong) from None
