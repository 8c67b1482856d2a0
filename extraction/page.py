"""The page that extraction reads, as data. Pure."""

from dataclasses import dataclass
from typing import Protocol


class PageContent(Protocol):
    """What extraction reads of a page."""

    @property
    def url(self) -> str:
        """The URL after the last redirect; relative links are resolved against it."""

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent; `""` if it is missing."""

    @property
    def body(self) -> bytes:
        """The body, decoded from its transfer and content encodings."""


@dataclass(frozen=True)
class SavedPage:
    """A page from a file or a test; see `PageContent` for the attributes."""

    url: str
    content_type: str
    body: bytes
