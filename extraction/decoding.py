"""Decodes the bytes of a page to text, with the encoding that a browser would choose. Pure."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from webencodings import Encoding

from contract.encodings import (
    UTF_8,
    WINDOWS_1252,
    byte_order_mark,
    decode_bytes,
    find_encoding,
    is_refused,
)
from contract.outcome import Reason
from extraction.errors import ExtractionError, quote
from extraction.page import PageContent
from extraction.prescan import meta_labels, xml_declaration_labels

_CHARSET_PARAMETER = re.compile(r";\s*charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;,\"']+))", re.IGNORECASE)
#: How a page without a byte order mark begins if it is UTF-16 XML
#: (https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding).
_UTF_16_XML = {b"<\0?\0x\0": "utf-16le", b"\0<\0?\0x": "utf-16be"}
#: Encodings that a page cannot declare in its own bytes, because the declaration would not be readable.
#: Browsers read these labels as other encodings.
_REPLACED_DECLARATIONS = {"utf-16le": UTF_8, "utf-16be": UTF_8, "x-user-defined": WINDOWS_1252}


class DecodedPage(NamedTuple):
    """A page's text.

    Attributes:
        text: the text, without a byte order mark.
        encoding: the standard's name of the encoding, for example `shift_jis`. The queries of the page's
            links are written in this encoding.
    """

    text: str
    encoding: str


def decode(page: PageContent, *, is_xml: bool = False) -> DecodedPage:
    """Return the page's text and encoding.

    The encoding is that of the byte order mark, else of the Content-Type header, else of a `<meta>` or the
    XML declaration. If none of them names a known encoding, the encoding is UTF-8 if the body is valid UTF-8.
    Otherwise it is Windows-1252, unless the page declares an unknown encoding.

    Args:
        page: the page.
        is_xml: whether the page is parsed as XML, so that a `<meta>` declares nothing.

    Raises:
        ExtractionError: `charset`, if the page declares an encoding that browsers do not decode, declares an
            unknown encoding and is not UTF-8, or is sent as UTF-16 and is not.
    """
    if marked := byte_order_mark(page.body):
        mark, encoding = marked
        return DecodedPage(decode_bytes(page.body[len(mark) :], encoding), encoding.name)
    encoding = _declared_encoding(page, is_xml=is_xml)
    if is_refused(encoding):
        raise ExtractionError(
            Reason.CHARSET, f"the page declares an encoding that browsers do not decode ({page.content_type})"
        )
    return DecodedPage(decode_bytes(page.body, encoding), encoding.name)


def _declared_encoding(page: PageContent, *, is_xml: bool) -> Encoding:
    sent = [
        match[1] or match[2] or match[3] or "" for match in _CHARSET_PARAMETER.finditer(page.content_type)
    ]
    if encoding := _first_known(reversed(sent)):
        if encoding.name.startswith("utf-16") and b"\0" not in page.body and page.body:
            raise ExtractionError(
                Reason.CHARSET,
                f"the page is sent as {encoding.name}, and its bytes are not ({page.content_type})",
            )
        return encoding
    for beginning, label in _UTF_16_XML.items():
        if page.body.startswith(beginning):
            return find_encoding(label) or UTF_8
    unknown = [label for label in sent if label]
    for label in _labels(page.body, is_xml=is_xml):
        if encoding := find_encoding(label):
            return _REPLACED_DECLARATIONS.get(encoding.name, encoding)
        unknown += [label] if label else []
    if _is_utf_8(page.body):
        return UTF_8
    if unknown:
        raise ExtractionError(
            Reason.CHARSET, f"the page declares the unknown encoding {quote(unknown[0])}, and is not UTF-8"
        )
    return WINDOWS_1252  # the fallback of browsers for western languages (Encoding Standard)


def _labels(body: bytes, *, is_xml: bool) -> Iterator[str]:
    if is_xml:
        return xml_declaration_labels(body)
    # A `<meta>` in a text of a JSON page declares nothing (RFC 8259 section 8.1: JSON is UTF-8).
    return (
        iter(())
        if body[:1024].lstrip()[:1] in {b"{", b"["}
        else chain(meta_labels(body), xml_declaration_labels(body))
    )


def _first_known(labels: Iterable[str]) -> Encoding | None:
    return next((encoding for label in labels if (encoding := find_encoding(label)) is not None), None)


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
