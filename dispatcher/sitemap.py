"""Parses the bytes of sitemaps, and yields the URLs. Pure.

The formats are those of https://www.sitemaps.org/protocol.html: XML, an index of sitemaps, RSS, Atom, and a
text file with a URL in each line; each of them plain or gzipped. Sites write sitemaps that are not quite
well-formed, so what can be understood is read, and `SitemapUnreadable` reports what was not.
"""

import re
from collections.abc import Iterator

from contract.urls import SCHEMES
from dispatcher.sitemap_entry import Location, SitemapUnreadable
from dispatcher.sitemap_xml import find_root, xml_locations
from extraction.decoding import decode
from extraction.errors import ExtractionError
from extraction.page import SavedPage
from guarded_http.content_coding import GZIP_MAGIC, decode_content
from guarded_http.errors import FetchError

_URL_LINE = re.compile(rf"(?:{'|'.join(SCHEMES)})://\S+", re.IGNORECASE)


def decompress_sitemap(raw: bytes, *, max_bytes: int) -> bytes:
    """Return the bytes of a sitemap, decompressed if necessary.

    Gzip is recognised by its first bytes, since sites often label it incorrectly. Bytes after the gzip data
    are ignored, as by gzip itself.

    Raises:
        SitemapUnreadable: if the gzip data is invalid, or the sitemap has more than `max_bytes`.
    """
    sitemap = bytearray()
    try:
        for chunk in decode_content(iter([raw]), "gzip") if raw.startswith(GZIP_MAGIC) else [raw]:
            sitemap += chunk
            if len(sitemap) > max_bytes:
                raise SitemapUnreadable(f"larger than {max_bytes} bytes")
    except FetchError as error:
        raise SitemapUnreadable(f"invalid gzip: {error}") from None
    return bytes(sitemap)


def locations(sitemap: bytes, url: str = "") -> Iterator[Location]:
    """Yield the locations that a sitemap lists, in order.

    Declared entities are not expanded, and no DTD or other file is loaded.

    Args:
        sitemap: the decompressed sitemap.
        url: the URL of the sitemap, against which the links of RSS and Atom are resolved.

    Raises:
        SitemapUnreadable: if the bytes are no sitemap; or, after all locations that could be read have been
            yielded, if the sitemap has entries that could not.
    """
    try:
        text = decode(SavedPage(url, "", sitemap), is_xml=True).text
    except ExtractionError as error:
        raise SitemapUnreadable(error.detail) from None
    root = find_root(text)
    yield from _text_locations(text) if root is None else xml_locations(text, root, url)


def _text_locations(text: str) -> Iterator[Location]:
    """Yield the lines of a text file that are URLs."""
    lines = [line for raw in text.splitlines() if (line := raw.strip("\ufeff \t\0")) and line[0] != "#"]
    if not any(map(_URL_LINE.fullmatch, lines)):
        raise SitemapUnreadable(
            "not a sitemap: neither XML, RSS or Atom, nor a text file with a URL in each line"
        )
    others = 0
    for line in lines:
        if _URL_LINE.fullmatch(line):
            yield Location(line, is_sitemap=False)
        else:
            others += 1
    if others:
        raise SitemapUnreadable(f"{others} of its {len(lines)} lines are not URLs")
