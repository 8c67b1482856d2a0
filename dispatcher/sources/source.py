"""Defines the protocol of a source of URLs: what it yields, and the errors that it raises. Pure."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from contract.shard import Position


class SourceUnreadable(ValueError):
    """The source, or a part of it, cannot be read, and repeating the request would not help."""


class SourceUnavailable(Exception):
    """The source could not be read now, but repeating the request may help."""


class FoundUrl(NamedTuple):
    """A URL of a page.

    Attributes:
        url: the URL, unchecked.
        lastmod: when the page was last changed, as the source says it; `""` if it does not.
        public_only: whether the URL comes from a public address (`Job.public_only`).
        place: where the URL is in the source, for people, for example `line 12`; `""` if they can find it by
            the URL.
    """

    url: str
    lastmod: str = ""
    public_only: bool = False
    place: str = ""


class InvalidEntry(NamedTuple):
    """An entry of a source that has no URL.

    Attributes:
        text: the beginning of the entry.
        why: a sentence that says where it is, and what is invalid.
    """

    text: str
    why: str


class UnreadPart(NamedTuple):
    """A part of a source that was not read, or not completely; its other parts were.

    Attributes:
        url: the URL of the part, or the text that the source has instead of a URL.
        why: a sentence that says what is missing, and why.
    """

    url: str
    why: str


class OutdatedPart(NamedTuple):
    """A listed sitemap that was not read, because it was last changed before the crawl's `since`.

    Attributes:
        url: the URL of the part.
    """

    url: str


class Checkpoint(NamedTuple):
    """A place at which a further request can continue after what was yielded before.

    Attributes:
        position: the place.
    """

    position: Position


Found = FoundUrl | InvalidEntry | UnreadPart | OutdatedPart | Checkpoint


class Source(Protocol):
    """One source of a crawl's URLs."""

    @property
    def name(self) -> str:
        """The path of the field in the crawl, for example `sources.sitemaps.0`."""

    @property
    def address(self) -> str:
        """What is read: a URL, or a text for people."""

    @property
    def is_lazy(self) -> bool:
        """Whether reading costs time or requests, so that it ends at the limit of the run's jobs."""

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield the URLs of pages in order, and what was not read.

        Args:
            start: the position of a checkpoint, after which reading begins; None for the beginning.

        Raises:
            SourceUnavailable: if the source, or the rest of it, could not be read now.
            SourceUnreadable: if the source, or the rest of it, cannot be read.
        """
