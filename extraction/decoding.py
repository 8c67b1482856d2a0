"""Decodes the bytes of a page to text. Pure."""

from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding

from contract.outcome import Reason
from extraction.errors import ExtractionError
from extraction.page import PageContent

#: Python codecs that are not encodings of pages (https://encoding.spec.whatwg.org/#names-and-labels).
#: punycode takes quadratic time, and the escape codecs produce lone surrogates, which UTF-8 cannot encode.
REFUSED_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


def decode(page: PageContent) -> str:
    """Return the page's text.

    The encoding is that of the byte order mark, else of the Content-Type header, else of a `<meta>` or the
    XML declaration. If all are missing, the encoding is UTF-8 if the body is valid UTF-8, and otherwise
    Windows-1252.

    Raises:
        ExtractionError: `charset`, if the page declares a refused encoding or cannot be decoded.
    """
    declared = {http_content_type_encoding(page.content_type), html_body_declared_encoding(page.body)}
    for encoding in sorted(name.replace("_", "-") for name in declared if name):
        if encoding in REFUSED_CHARSETS:
            raise ExtractionError(Reason.CHARSET, f"the page declares the encoding {encoding}")
    try:
        _, text = html_to_unicode(page.content_type, page.body, auto_detect_fun=_detect)
    except (LookupError, UnicodeError) as error:
        raise ExtractionError(Reason.CHARSET, f"{page.content_type}: {error}") from None
    return text


def _detect(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"  # the fallback of browsers for western languages (WHATWG Encoding)
    return "utf-8"
