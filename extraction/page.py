"""Defines the interface of the page from which items are extracted. Pure."""

from dataclasses import dataclass
from typing import Protocol


class PageContent(Protocol):
    """The attributes of a page that extraction uses."""

    @property
    def url(self) -> str:
        """The URL after the last redirect; relative URLs are resolved against this URL."""

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent; `""` if it is missing."""

    @property
    def body(self) -> bytes:
        """The body, decoded from its transfer and content encodings."""


@dataclass(frozen=True)
class SavedPage:
    """A page from a file or a test; `PageContent` describes the attributes."""

    url: str
    content_type: str
    body: bytes
