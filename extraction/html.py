"""Parses HTML. Pure."""

import re

from lxml import etree
from lxml.etree import _Element as Element

#: A comment, an element whose content is text, another start tag, or (group 2) an end tag of `<br>`.
_MARKUP = re.compile(
    rb"""<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp)(?=[\s/>]).*?(?:</\1(?=[\s/>])|\Z)"""
    rb"""|<[a-z](?:[^>"']|"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))*+(?:>|\Z)|(</br(?:[\s/][^>]*)?>)""",
    re.IGNORECASE | re.DOTALL,
)
_END_OF_BR = re.compile(b"</br", re.IGNORECASE)


def parse_html(source: bytes) -> Element:
    """Return the root element, or an empty `<html>` if the page has no elements.

    `</br>` is a `<br>`, as in browsers (https://html.spec.whatwg.org/#parsing-main-inbody).

    Some pages need minutes or gigabytes to parse: libxml2's time for the attributes of one element grows with
    the square of their number. Whoever calls this with a page from outside runs it in a process with limits.

    Args:
        source: HTML in UTF-8 without NUL characters.

    Raises:
        MemoryError: if the page needs more memory than there is.
    """
    root, has_errors = _parse(source)
    # libxml2 ignores a `</br>`, and reports an error. Most pages have no errors, and need no search.
    if has_errors and _END_OF_BR.search(source):
        root, _ = _parse(_MARKUP.sub(lambda match: b"<br>" if match[2] else match[0], source))
    if root is None:
        return etree.fromstring(b"<html/>")
    _move_into_body(root)
    return root


def _parse(source: bytes) -> tuple[Element | None, bool]:
    """Return the root element, or None if the page has no elements; and whether the page has errors."""
    # `encoding` overrides the encoding that the page may declare.
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root: Element | None
    try:
        root = etree.fromstring(source, parser)
    except etree.XMLSyntaxError:  # the page has no elements
        root = None
    errors = parser.error_log
    if any(error.type == etree.ErrorTypes.ERR_NO_MEMORY for error in errors):
        raise MemoryError("libxml2 parsed only a part of the page")
    return root, bool(errors)


def _move_into_body(root: Element) -> None:
    """Move what follows `</body>` and `</html>` into the body, where browsers insert it.

    libxml2 inserts what follows `</body>` after the body, and what follows `</html>` into further roots,
    which no selector would find (https://html.spec.whatwg.org/#parsing-main-afterbody).
    """
    body = root.find("body")
    roots = [*root.itersiblings("html")]
    if body is None:
        if not roots:
            return
        body = etree.SubElement(root, "body")
    _move(body, [*body.itersiblings()], body.tail)
    body.tail = None
    for other in roots:
        _move(body, [*other], other.text)
        _move(body, [], other.tail)


def _move(body: Element, nodes: list[Element], text: str | None) -> None:
    """Append a text, and then nodes with their tails, to the body; of a head or body, append the content."""
    if text:
        if len(body):
            body[-1].tail = (body[-1].tail or "") + text
        else:
            body.text = (body.text or "") + text
    for node in nodes:
        if node.tag in {"head", "body"}:
            _move(body, [*node], node.text)
            _move(body, [], node.tail)
            if node.getparent() is not None:
                node.getparent().remove(node)
        else:
            body.append(node)
