"""Finds the root element of a sitemap, which tells its format. Pure."""

import re
from typing import NamedTuple

from dispatcher.sources.source import SourceUnreadable

#: Maximum number of characters before the root element, such as the warnings of a server's program.
MAX_PROLOG_CHARACTERS = 64 * 1024
_ROOT = re.compile(r"<([\w.-]+:)?(urlset|sitemapindex|rss|feed|RDF)(?=[\s>/])")
_HTML = re.compile(r"<(?:!doctype\s+)?html\b", re.IGNORECASE)


class Root(NamedTuple):
    """The root element of a sitemap.

    Attributes:
        name: the name without a prefix: `urlset`, `sitemapindex`, `rss`, `feed` or `RDF`.
        prefix: the prefix with its colon; `""` if there is none.
        start: the index of the element in the text.
    """

    name: str
    prefix: str
    start: int


def find_root(text: str) -> Root | None:
    """Return the root element of a sitemap in XML; None if the text is not XML.

    Args:
        text: the first `MAX_PROLOG_CHARACTERS` of the sitemap, or more.

    Text before the root element, such as blank lines or a warning of PHP, is ignored.

    Raises:
        SourceUnreadable: if the text is HTML or another XML, or declares entities.
    """
    match = _ROOT.search(text)
    prolog = text if match is None else text[: match.start()]
    if _HTML.search(prolog):
        raise SourceUnreadable("not a sitemap: an HTML page")
    if match is None:
        if other := re.search(r"<([a-zA-Z_][\w.:-]*)", text[:10_000]):
            expected = "<urlset>, <sitemapindex>, <rss> or <feed>"
            raise SourceUnreadable(f"not a sitemap: the root element is <{other[1]}>, not {expected}")
        return None
    if "<!ENTITY" in prolog:
        raise SourceUnreadable("it declares an entity; entities are not expanded")
    return Root(match[2], match[1] or "", match.start())
