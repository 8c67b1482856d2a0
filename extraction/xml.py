"""Parses XML, and repairs errors that are common in feeds. Pure."""

import re
from html import escape, unescape

from lxml import etree
from lxml.etree import _Element as Element

_AMPERSAND = re.compile(r"&(?!#\d{1,7};|#x[0-9a-fA-F]{1,6};)(?:(?P<name>\w{1,32});)?")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def parse_xml(text: str) -> Element:
    """Return the root element, or `<empty/>` if the text has no elements.

    The namespace of names without a prefix is removed, so that a selector matches the name that is written in
    the page. Entities are not resolved and no DTD is loaded.
    """
    # Parse strictly first, because in recovery mode libxml2 drops each & that does not begin a known entity.
    root = _parse(text, recover=False)
    if root is None:
        root = _parse(escape_stray_ampersands(_without_text_before(text)), recover=True)
    if root is None:
        return etree.fromstring(b"<empty/>")
    for element in root.iter(etree.Element):
        if element.prefix is None and element.tag[0] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def _without_text_before(text: str) -> str:
    """Return the text from its XML declaration on, or else from its first tag on.

    A program that fails writes a warning before the XML, and libxml2 would recover nothing after it.
    """
    warning, declaration, xml = text.partition("<?xml")
    if declaration and "<![CDATA[" not in warning and "<!--" not in warning:
        return declaration + xml
    return text[max(text.find("<"), 0) :]


def _parse(text: str, *, recover: bool) -> Element | None:
    parser = etree.XMLParser(
        encoding="utf-8", recover=recover, resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def escape_stray_ampersands(text: str) -> str:
    """Return the text with stray ampersands and HTML's entities made valid; CDATA sections are not changed.

    For example `a&b` becomes `a&amp;b`, and `&nbsp;` becomes the character.
    """
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
