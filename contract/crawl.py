"""The crawl: what to scrape and how. Cloud Scheduler posts it to the dispatcher as a request body."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.faults import UnreadableCrawl, parse_json_object, unsupported_values
from contract.job import CrawlName, Politeness, RunId
from contract.recipe import Recipe
from contract.selectors import SelectorChecks
from contract.urls import PageUrl

MAX_CRAWL_BYTES = 1024 * 1024  #: Cloud Scheduler sends at most 1 MB (its quotas page)
MAX_INLINE_URLS = 10_000
MAX_JOBS = 100_000
_DOCUMENTED = ConfigDict(frozen=True, use_attribute_docstrings=True)


class UrlSources(BaseModel):
    """Where the URLs of the pages come from: `urls`, `sitemap`, or both."""

    model_config = _DOCUMENTED

    urls: Annotated[tuple[str, ...], Field(max_length=MAX_INLINE_URLS)] = ()
    """URLs of pages. Each is checked on its own, so an invalid URL is rejected and the others are
    dispatched."""
    sitemap: PageUrl | None = None
    """URL of a sitemap or sitemap index (sitemaps.org), plain or gzipped."""

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if not self.urls and self.sitemap is None:
            raise ValueError("there is no source: give urls, a sitemap, or both")
        return self


class Limits(BaseModel):
    """Limits of one run."""

    model_config = _DOCUMENTED

    max_jobs: Annotated[int, Field(ge=1, le=MAX_JOBS)] = 10_000
    """Largest number of jobs of one run. URLs beyond it are counted and not dispatched."""


class Crawl(BaseModel):
    """What to scrape and how."""

    model_config = _DOCUMENTED

    name: CrawlName
    """Name of the crawl, part of every run_id: a lower-case letter, then at most 62 of a-z, 0-9 and
    hyphen."""
    run_id: RunId | None = None
    """Identifier of the run. A caller that may repeat its request sets it; otherwise the dispatcher makes
    one."""
    sources: UrlSources
    """Where the URLs of the pages come from."""
    recipe: Recipe
    """What to extract from each page."""
    limits: Limits = Limits()
    """Limits of one run."""
    politeness: Politeness = Politeness()
    """How requests to one host are limited."""

    @classmethod
    def decode(cls, body: bytes, selectors: SelectorChecks) -> Self:
        """Decode the body of a dispatch request.

        Args:
            body: UTF-8 JSON.
            selectors: reject the selectors that do not compile (`extraction.selectors.CHECKS`).

        Raises:
            UnreadableCrawl: with every fault and its path (`recipe.fields.price.type: …`).
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
        for fault in unsupported_values(document):
            raise UnreadableCrawl(raw, [fault])
        try:
            return cls.model_validate(document, extra="forbid", context=selectors)
        except ValidationError as error:
            raise UnreadableCrawl.from_validation(raw, error) from None
