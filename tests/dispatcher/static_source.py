"""Provides a source of URLs that yields what a test gives it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contract.shard import Position
from dispatcher.sources.source import Found, FoundUrl


@dataclass(frozen=True)
class StaticSource:
    """A source that yields what a function returns.

    Attributes:
        name: the path of its field.
        found: returns what it yields.
        address: what is read.
        is_lazy: whether its reading ends at the limit.
    """

    name: str
    found: Callable[[], Iterator[Found]]
    address: str = "https://shop.example/s.xml"
    is_lazy: bool = True

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield what the function returns."""
        del start
        return self.found()


def source_of(*found: str | Found, name: str = "sources.sitemap") -> StaticSource:
    """Return a source of these URLs."""
    given = [FoundUrl(each) if isinstance(each, str) else each for each in found]
    return StaticSource(name, lambda: iter(given))
