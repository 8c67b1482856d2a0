"""Finds the page to which a page refers the browser at once: `<meta http-equiv="refresh">`. Pure."""

import re
from html import unescape

from contract.encodings import UTF_8, decode_bytes, find_encoding
from contract.urls import check_url, resolve_url
from extraction.decoding import decode
from extraction.page import PageContent
from extraction.prescan import MAX_PRESCAN_BYTES, meta_elements

#: Maximum delay of a refresh that counts as a redirect, in seconds. What is shown for longer is the page.
MAX_DELAY_SECONDS = 5
# The shared declarative refresh steps of HTML (https://html.spec.whatwg.org/#shared-declarative-refresh-steps).
_REFRESH = re.compile(
    r"\s*(?P<seconds>\d{1,9})(?:\.[\d.]*)?(?:\s*[;,]\s*|\s+)(?>url\s*=\s*)?+"
    r"(?:\"(?P<double>[^\"]*)|'(?P<single>[^']*)|(?P<plain>.*))",
    re.IGNORECASE | re.DOTALL,
)
_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})


def refresh_url(page: PageContent, media_type: str, header: str = "") -> str:
    """Return the URL to which a page redirects by a refresh; `""` if it does not.

    A refresh to the page itself is no redirect, nor is one inside `<noscript>`, which browsers ignore.

    Args:
        page: the page.
        media_type: the media type of the page; `""` if unknown.
        header: the Refresh header; `""` if missing. It precedes a `<meta>`.

    Raises:
        ValueError: if the page redirects to a URL that may not be requested; the message gives the reason.
        ExtractionError: `charset`, if the page cannot be decoded.
    """
    if header:
        return _target(page, header, "utf-8")
    end = page.body.find(b"<body", 0, MAX_PRESCAN_BYTES)
    head = page.body[: MAX_PRESCAN_BYTES if end < 0 else end]
    if media_type not in _HTML_TYPES or b"refresh" not in head.lower():
        return ""
    for attributes in meta_elements(page.body):
        if attributes.get(b"http-equiv", b"").strip().lower() == b"refresh":
            encoding = decode(page).encoding
            content = decode_bytes(attributes.get(b"content", b""), find_encoding(encoding) or UTF_8)
            return _target(page, unescape(content), encoding)
    return ""


def _target(page: PageContent, content: str, encoding: str) -> str:
    match = _REFRESH.match(content)
    if match is None or int(match["seconds"]) > MAX_DELAY_SECONDS:
        return ""
    reference = (match["double"] or match["single"] or match["plain"] or "").strip()
    if not reference:
        return ""
    url = check_url(resolve_url(page.url, reference, encoding))
    return "" if url == page.url else url
