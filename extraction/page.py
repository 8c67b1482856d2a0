"""The page that extraction reads: data. Pure."""

from dataclasses import dataclass
from typing import Protocol


class PageContent(Protocol):
    """What extraction needs to know of a page, whoever fetched it."""

    @property
    def url(self) -> str:
        """What relative links resolve against: the URL after the last redirect."""

    @property
    def content_type(self) -> str:
        """The header as sent; `""` where absent."""

    @property
    def body(self) -> bytes:
        """Decoded from its transfer and content encodings."""


@dataclass(frozen=True)
class SavedPage:
    """A page that nobody fetched now: of a file, or of a test."""

    url: str
    content_type: str
    body: bytes
