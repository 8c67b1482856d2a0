"""Defines what the parsers of sitemaps yield. Pure."""

from typing import NamedTuple


class Location(NamedTuple):
    """One entry of a sitemap.

    Attributes:
        url: the URL of a page or of a sitemap, unchecked.
        is_sitemap: whether `url` is the URL of a sitemap.
        lastmod: the text of `lastmod`, of `pubDate` in RSS, or of `updated` in Atom; `""` if missing.
    """

    url: str
    is_sitemap: bool
    lastmod: str = ""
