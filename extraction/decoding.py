"""A page's bytes as text. Pure."""

from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding

from contract.outcome import Reason
from extraction.errors import ExtractionError
from extraction.page import PageContent

# Codecs of Python's that no page is written in (https://encoding.spec.whatwg.org/#names-and-labels): punycode
# takes quadratic time, the escapes make characters that no UTF-8 can carry.
NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


def decode(page: PageContent) -> str:
    """Return the page's text by BOM, header, meta (or XML declaration), then UTF-8 or Windows-1252.

    Raises:
        ExtractionError: `charset`, where the encoding named is none that pages are written in.
    """
    named = {http_content_type_encoding(page.content_type), html_body_declared_encoding(page.body)}
    for encoding in sorted(name.replace("_", "-") for name in named if name):
        if encoding in NO_CHARSETS:
            raise ExtractionError(Reason.CHARSET, f"the page says that it is {encoding}")
    try:
        _, text = html_to_unicode(page.content_type, page.body, auto_detect_fun=_detect)
    except (LookupError, UnicodeError) as wrong:
        raise ExtractionError(Reason.CHARSET, f"{page.content_type}: {wrong}") from None
    return text


def _detect(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"  # what browsers fall back to for western pages (WHATWG Encoding)
    return "utf-8"
