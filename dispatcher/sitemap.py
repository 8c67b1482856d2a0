"""Parses the bytes of sitemaps (https://www.sitemaps.org/protocol.html) and yields the URLs. Pure."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

GZIP_MAGIC = b"\x1f\x8b"


class SitemapUnreadable(ValueError):
    """The sitemap cannot be read, and repeating the request would not help."""


class Location(NamedTuple):
    """One `<loc>` element.

    Attributes:
        url: the text of the element, unchecked: the URL of a page or of a sitemap.
        is_sitemap: whether `url` is the URL of a sitemap.
    """

    url: str
    is_sitemap: bool


def decompress_sitemap(raw: bytes, *, max_bytes: int) -> bytes:
    """Return the XML of a sitemap, decompressed if necessary.

    Gzip is recognised by its first bytes, since sites often label it incorrectly.

    Raises:
        SitemapUnreadable: if the gzip data is invalid, or the XML has more than `max_bytes`.
    """
    if raw.startswith(GZIP_MAGIC):
        try:
            with gzip.open(io.BytesIO(raw)) as file:
                raw = file.read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise SitemapUnreadable(f"invalid gzip: {error}") from None
    if len(raw) > max_bytes:
        raise SitemapUnreadable(f"larger than {max_bytes} bytes")
    return raw


def locations(xml: bytes) -> Iterator[Location]:
    """Yield the locations that a `<urlset>` or `<sitemapindex>` lists, in order.

    Declared entities are not expanded, and no DTD or other file is loaded.

    Raises:
        SitemapUnreadable: if the bytes are not XML, or the root is another element.
    """
    parser = etree.iterparse(
        io.BytesIO(xml),
        events=("end",),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for _, element in parser:
            name = etree.QName(element).localname
            if name in {"url", "sitemap"}:
                yield from _location(element, is_sitemap=name == "sitemap")
                element.clear()
            elif element.getparent() is None and name not in {"urlset", "sitemapindex"}:
                raise SitemapUnreadable(f"the root element is <{name}>, not <urlset> or <sitemapindex>")
    except etree.XMLSyntaxError as error:
        raise SitemapUnreadable(f"not XML: {error}") from None


def _location(element: etree._Element, *, is_sitemap: bool) -> Iterator[Location]:
    for child in element:
        if isinstance(child.tag, str) and etree.QName(child).localname == "loc":
            url = "".join(child.itertext()).strip()
            if url:
                yield Location(url, is_sitemap)
            return
