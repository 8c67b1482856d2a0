"""Finds the encoding that a page declares in its own bytes, as browsers do. Pure.

The rules are those of HTML's prescan
(https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding), with one difference: the
whole head of the page is searched, since browsers also obey a `<meta>` after the first 1,024 bytes.
"""

import re
from collections.abc import Iterator

MAX_PRESCAN_BYTES = 64 * 1024  #: maximum number of bytes that are searched
_XML_DECLARATION = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*(?:\"([^\">]*)\"|'([^'>]*)')", re.IGNORECASE)
_MARKUP = re.compile(rb"<(?:(!--)|(/?[a-z][^\s/>]*)|[!/?])", re.IGNORECASE)
_ATTRIBUTE_NAME = re.compile(rb"[\s/]*([^\s/>=]*)\s*(=?)\s*")
_UNQUOTED = re.compile(rb"[^\s>]*")
_CHARSET_IN_CONTENT = re.compile(rb"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE)
#: Elements whose content is text, or is not used by browsers with scripts, so that tags inside do not count.
_TEXT_ELEMENTS = frozenset(
    {b"script", b"style", b"title", b"textarea", b"noframes", b"noscript", b"template", b"xmp"}
)


def xml_declaration_labels(body: bytes) -> Iterator[str]:
    """Yield the label of the XML declaration, if the body begins with one."""
    match = _XML_DECLARATION.match(body[:1024].lstrip())
    if match:
        yield (match[1] or match[2] or b"").decode("latin-1")


def meta_labels(body: bytes) -> Iterator[str]:
    """Yield the labels of all `<meta>` elements in the head of an HTML page, in order."""
    for attributes in meta_elements(body):
        yield from _labels(attributes)


def meta_elements(body: bytes) -> Iterator[dict[bytes, bytes]]:
    """Yield the attributes of all `<meta>` elements in the head of an HTML page, with names in lower case."""
    head = body[:MAX_PRESCAN_BYTES]
    place = 0
    while match := _MARKUP.search(head, place):
        name = (match[2] or b"").lower()
        if match[1]:
            place = _after(b"-->", head, match.start() + 2)
        elif not name:
            place = _after(b">", head, match.end())
        elif name == b"body":
            return
        else:
            attributes, place = _attributes(head, match.end())
            if name == b"meta":
                yield attributes
            if name in _TEXT_ELEMENTS:
                closing = re.compile(rb"</" + name + rb"[\s/>]", re.IGNORECASE).search(head, place)
                place = closing.start() if closing else len(head)


def _after(end: bytes, head: bytes, place: int) -> int:
    found = head.find(end, place)
    return len(head) if found < 0 else found + len(end)


def _attributes(head: bytes, place: int) -> tuple[dict[bytes, bytes], int]:
    """Return the attributes of a tag, and the place after the tag; no attributes if the tag does not end."""
    attributes = dict[bytes, bytes]()
    while True:
        match = _ATTRIBUTE_NAME.match(head, place)
        if match is None or match.end() >= len(head):
            return {}, len(head)
        place, value = match.end(), b""
        if match[2] and head[place : place + 1] in {b'"', b"'"}:
            closing = head.find(head[place : place + 1], place + 1)
            if closing < 0:
                return {}, len(head)
            value, place = head[place + 1 : closing], closing + 1
        elif match[2] and (unquoted := _UNQUOTED.match(head, place)):
            value, place = unquoted[0], unquoted.end()
        if match[1]:
            attributes.setdefault(match[1].lower(), value)
        if head[place : place + 1] == b">":
            return attributes, place + 1


def _labels(attributes: dict[bytes, bytes]) -> Iterator[str]:
    if b"charset" in attributes:
        yield attributes[b"charset"].decode("latin-1")
    elif attributes.get(b"http-equiv", b"").strip().lower() == b"content-type":
        match = _CHARSET_IN_CONTENT.search(attributes.get(b"content", b""))
        if match:
            yield (match[1] or match[2] or match[3] or b"").decode("latin-1")
