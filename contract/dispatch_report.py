"""Defines what became of the URLs of a dispatch, over all its requests. Pure.

The messages of a dispatch carry it from request to request, and its last one keeps it in the ledger.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:  # the commands that read the ledger read reports, and importing the crawl takes long
    from contract.crawl import Crawl

MAX_LISTED = 100  #: maximum number of rejected URLs, and of unread parts; further ones are only counted
_Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DispatchCounts(_Part):
    """What became of the URLs of a dispatch, or of one of its sources: see `dispatcher.plan.Counts`."""

    found: _Count = 0
    published: _Count = 0
    duplicates: _Count = 0
    rejected: _Count = 0
    filtered: _Count = 0
    outdated: _Count = 0
    over_limit: _Count = 0
    outdated_sitemaps: _Count = 0
    unread: _Count = 0

    def plus(self, other: "DispatchCounts") -> Self:
        """Return the sums, with the other fields of these counts."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in DispatchCounts.model_fields}
        return self.model_copy(update=sums)


class SourceCounts(DispatchCounts):
    """The counts of one source.

    Attributes:
        source: the path of its field in the crawl, for example `sources.sitemap`.
    """

    source: str


class ListedUrl(_Part):
    """A URL for which no job was made, or a part of a source that was not read.

    Attributes:
        url: the URL, without user and password.
        why: the reason.
    """

    url: str
    why: str


class DispatchReport(_Part):
    """What became of the URLs of a dispatch so far.

    Attributes:
        counts: the counts of all sources together.
        sources: the counts of each source that was read.
        rejected: the first 100 invalid URLs.
        unread: the first 100 parts of sources that were not read, or not completely.
    """

    counts: DispatchCounts = DispatchCounts()
    sources: tuple[SourceCounts, ...] = ()
    rejected: tuple[ListedUrl, ...] = ()
    unread: tuple[ListedUrl, ...] = ()

    def plus(self, other: "DispatchReport") -> "DispatchReport":
        """Return the report of two parts of a dispatch, of which this one is the first."""
        sources = {each.source: each for each in self.sources}
        for each in other.sources:
            known = sources.get(each.source)
            sources[each.source] = each if known is None else known.plus(each)
        return DispatchReport(
            counts=self.counts.plus(other.counts),
            sources=tuple(sources.values()),
            rejected=_first(self.rejected, other.rejected),
            unread=_first(self.unread, other.unread),
        )


def _first(*lists: Iterable[ListedUrl]) -> tuple[ListedUrl, ...]:
    return tuple(url for listed in lists for url in listed)[:MAX_LISTED]


def dispatch_id(crawl: "Crawl") -> str:
    """Return the id of the dispatch of a crawl that has its run id: 16 hexadecimal digits.

    A repeated trigger is the same dispatch. A run has several if different crawls have its run id, for
    example the parts of a file that `scrapeq dispatch` sends.
    """
    document = crawl.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(document, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
