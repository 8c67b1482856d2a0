"""Defines what the parsers of sitemaps yield and raise. Pure."""

from typing import NamedTuple


class SitemapUnreadable(ValueError):
    """The sitemap, or a part of it, cannot be read, and repeating the request would not help."""


class Location(NamedTuple):
    """One entry of a sitemap.

    Attributes:
        url: the URL of a page or of a sitemap, unchecked.
        is_sitemap: whether `url` is the URL of a sitemap.
    """

    url: str
    is_sitemap: bool
