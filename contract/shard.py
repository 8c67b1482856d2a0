"""Defines the shard: the rest of a dispatch that did not fit into one request, as a message. Pure.

The dispatcher publishes it to itself, and reads on where the request before stopped.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contract.crawl import Crawl
from contract.dispatch_report import DispatchReport
from contract.faults import UnreadableShard, parse_json_object
from contract.selectors import SelectorChecks

#: Maximum size of a shard in bytes: a crawl, the URLs of 500 sitemaps, each of them twice, and the report of
#: the requests before.
MAX_SHARD_BYTES = 4_500_000
MAX_SHARDS = 1_000  #: maximum number of requests of one dispatch
_Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class FilePosition(_Part):
    """A place in a file with URLs.

    Attributes:
        line: number of lines that were read.
        offset: number of bytes before the place at which a request may begin, at the beginning of a line; 0
            if the file must be read from its beginning, because it is gzipped, or has a header.
        offset_line: number of lines before `offset`.
        validator: the ETag of the file, or else the time of its last change, or its generation in Cloud
            Storage; `""` if its server has none of them.
    """

    kind: Literal["file"] = "file"
    line: _Count
    offset: _Count = 0
    offset_line: _Count = 0
    validator: str = ""


class TemplatePosition(_Part):
    """A place in the URLs of a template.

    Attributes:
        index: number of URLs that were made.
    """

    kind: Literal["template"] = "template"
    index: _Count


class ListedSitemap(_Part):
    """A sitemap that has not been read yet.

    Attributes:
        url: its URL.
        listed_by: the URL of the index that lists it; `""` for the crawl's own sitemap.
        depth: number of indexes that lead to it.
        is_repeated: whether it was requested before, and was not available.
    """

    url: str
    listed_by: str = ""
    depth: _Count = 0
    is_repeated: bool = False


class SitePosition(_Part):
    """A place in the sitemaps that a robots.txt names.

    Attributes:
        robots_url: the URL of the robots.txt.
        named: the sitemaps that have not been read yet, as the robots.txt names them.
        public_only: whether the robots.txt came from a public address.
    """

    robots_url: str
    named: tuple[str, ...] = ()
    public_only: bool = False


class SitemapPosition(_Part):
    """A place between two sitemaps.

    Attributes:
        sitemap: the sitemap of the crawl.
        pending: the sitemaps that have not been read yet, in their order.
        listed: the URLs of all sitemaps that were listed, so that none is read twice.
        over_limit: number of listed sitemaps beyond the maximum.
        public_only: whether one of the sitemaps came from a public address.
        count: number of sitemaps of the crawl that were requested, or are in `pending`.
        read: the URLs of the sitemaps that were read, after redirects, which are not in `listed`.
        site: the place in the sitemaps of a robots.txt; None if `sources.site` was not used.
    """

    kind: Literal["sitemap"] = "sitemap"
    sitemap: str
    pending: tuple[ListedSitemap, ...] = ()
    listed: tuple[str, ...] = ()
    over_limit: _Count = 0
    public_only: bool = False
    count: _Count = 0
    read: tuple[str, ...] = ()
    site: SitePosition | None = None


Position = FilePosition | TemplatePosition | SitemapPosition


class Shard(_Part):
    """The rest of a dispatch.

    Attributes:
        version: 1.
        crawl: the crawl, with its run id.
        number: number of the request, from 2.
        source: the path of the source in which reading continues, for example `sources.urls_file`.
        position: where it continues; None for its beginning.
        started_at: when the run began, to which `since` is relative.
        dispatch_id: see `contract.dispatch_report.dispatch_id`.
        report: what became of the URLs of the requests before.
    """

    version: Literal[1] = 1
    crawl: Crawl
    number: Annotated[int, Field(ge=2, le=MAX_SHARDS)]
    source: str
    position: Annotated[Position, Field(discriminator="kind")] | None = None
    started_at: AwareDatetime
    dispatch_id: Annotated[str, Field(min_length=1, max_length=64)]
    report: DispatchReport

    def encode(self) -> bytes:
        """Return the message data: UTF-8 JSON."""
        document = self.model_dump(mode="json", exclude={"crawl"})
        document["crawl"] = self.crawl.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def attributes(self, traceparent: str) -> dict[str, str]:
        """Return the message attributes: the ids, `crawl`, `shard`, and `traceparent` if it is not empty."""
        names = {"run_id": self.crawl.run_id or "", "crawl": self.crawl.name}
        names |= {"dispatch_id": self.dispatch_id, "shard": str(self.number)}
        return names | ({"traceparent": traceparent} if traceparent else {})

    @classmethod
    def decode(cls, data: bytes, selectors: SelectorChecks) -> Self:
        """Decode the data of a message.

        Args:
            data: UTF-8 JSON.
            selectors: see `Crawl.decode`.

        Raises:
            UnreadableShard: the data is not a shard that this version can read.
        """
        document: dict[str, Any] = parse_json_object(
            data, UnreadableShard, max_bytes=MAX_SHARD_BYTES, kind="shard"
        )
        try:
            shard = cls.model_validate(document, context=selectors)
        except ValidationError as error:
            raise UnreadableShard.from_validation(data, error, cls) from None
        if shard.crawl.run_id is None:
            raise UnreadableShard.single_fault(data, "missing", "crawl.run_id")
        return shard
