"""Parses XML, and repairs what feeds commonly get wrong. Pure."""

import re
from html import escape, unescape

from lxml import etree
from lxml.etree import _Element as Element

_AMPERSAND = re.compile(r"&(?!#\d{1,7};|#x[0-9a-fA-F]{1,6};)(?:(?P<name>\w{1,32});)?")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def parse_xml(text: str) -> Element:
    """Return the root element; `<empty/>` if the text has no elements.

    Names without a prefix lose their namespace, so that selectors name elements as the page writes them.
    Entities are not resolved and no DTD is loaded.
    """
    # Parse strictly first: in recovery mode libxml2 drops each & that begins no entity it knows.
    root = _parse(text, recover=False)
    if root is None:
        root = _parse(escape_stray_ampersands(text), recover=True)
    if root is None:
        return etree.fromstring(b"<empty/>")
    for element in root.iter(etree.Element):
        if element.prefix is None and element.tag[0] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def _parse(text: str, *, recover: bool) -> Element | None:
    parser = etree.XMLParser(
        encoding="utf-8", recover=recover, resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def escape_stray_ampersands(text: str) -> str:
    """Return XML in which `a&b` and HTML's `&nbsp;` are valid; CDATA sections stay unchanged."""
    parts = list[str]()
    while text:
        before, opening, text = text.partition("<![CDATA[")
        inside, closing, text = text.partition("]]>")
        parts += [_AMPERSAND.sub(_escape_ampersand, before), opening, inside, closing]
    return "".join(parts)


def _escape_ampersand(match: re.Match[str]) -> str:
    name = match["name"]
    if name is None:
        return "&amp;"
    character = unescape(f"&{name};")
    return match[0] if character[0] in "&<>\"'" and name in _XML_ENTITIES else escape(character)
