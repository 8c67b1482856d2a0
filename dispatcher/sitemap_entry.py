"""Defines what the parsers and readers of sitemaps yield and raise. Pure."""

from typing import NamedTuple


class SitemapUnreadable(ValueError):
    """The sitemap, or a part of it, cannot be read, and repeating the request would not help."""


class SitemapUnavailable(Exception):
    """The sitemap could not be read now, but repeating the request may help."""


class Location(NamedTuple):
    """One entry of a sitemap.

    Attributes:
        url: the URL of a page or of a sitemap, unchecked.
        is_sitemap: whether `url` is the URL of a sitemap.
    """

    url: str
    is_sitemap: bool


class UnreadSitemap(NamedTuple):
    """A listed sitemap that was not read, or not completely; its other pages and the other sitemaps were.

    Attributes:
        url: the URL of the sitemap, or the text that an index lists instead of a URL.
        why: a sentence that says what is missing, and why.
    """

    url: str
    why: str
