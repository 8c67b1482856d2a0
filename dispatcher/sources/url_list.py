"""The source `urls`: the URLs that are in the crawl itself. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from contract.shard import Position
from dispatcher.sources.source import FoundUrl


@dataclass(frozen=True)
class UrlList:
    """The URLs of `sources.urls`.

    Attributes:
        urls: the URLs, unchecked.
        name: the path of the field.
        address: a text for people.
        is_lazy: False, since the URLs are in memory: those beyond the limit are counted.
    """

    urls: tuple[str, ...]
    name: str = "sources.urls"
    address: str = "the crawl's urls"
    is_lazy: bool = False

    def read(self, start: Position | None = None) -> Iterator[FoundUrl]:
        """Yield the URLs. There are no checkpoints, since a crawl has few of them."""
        del start
        return map(FoundUrl, self.urls)
