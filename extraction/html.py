"""Parses HTML in limited time and checks the deadline while parsing. Pure.

A call into libxml2 cannot be interrupted, so a page is parsed in chunks, with a check after each. A page is
rejected before parsing if a chunk would take too long or the tree would need too much memory. Measured on
libxml2 2.14: the time for the attributes of one element grows with the square of their number (16,000
attributes take 0.3 s, a page of 5 MiB of them ten minutes); the time for an end tag grows with the depth,
whose maximum is 2,048.
"""

import re
from collections.abc import Callable

from lxml import etree
from lxml.etree import _Element as Element

from contract.outcome import Reason
from extraction.errors import ExtractionError

CheckDeadline = Callable[[], object]  #: a function that raises an exception if no time remains
CHUNK_BYTES = 64 * 1024  #: size of a chunk; parsing one chunk takes at most a tenth of a second
#: Maximum number of `<` on a page. The elements of a page of 5 MiB could otherwise need an instance's whole
#: memory.
MAX_TAGS = 500_000
MAX_ATTRIBUTES = 2_000  #: maximum number of attributes of one element
#: Maximum number of suspect tags on a page. A suspect tag is a `<` followed by what looks like more than
#: `MAX_ATTRIBUTES` attributes; it may also be ordinary text in a script. To find out, all the text before it
#: must be parsed, so the number of suspect tags is limited.
MAX_SUSPECT_TAGS = 20
#: Counting the attributes may read at most this many times the page's length. If tags begin inside other tags
#: (`<a <a <a`), the text after them is read once for each of them.
MAX_RESCANS = 8
_TAG_START = re.compile(r"<[a-zA-Z]")
# Matches up to MAX_ATTRIBUTES attributes of a start tag; the group `more` matches if more attributes follow.
# The pattern matches every text and never backtracks
# (https://html.spec.whatwg.org/#before-attribute-name-state).
_ATTRIBUTES = re.compile(
    r"""[^\ \t\n\f\r/>]*+
    (?:[\ \t\n\f\r/]*+[^\ \t\n\f\r/>][^\ \t\n\f\r/>=]*+
       (?:[\ \t\n\f\r]*+=[\ \t\n\f\r]*+(?:"[^"]*+"?+|'[^']*+'?+|[^\ \t\n\f\r>"'][^\ \t\n\f\r>]*+)?+)?+
    ){0,MAX}+[\ \t\n\f\r/]*+(?P<more>[^>])?+""".replace("MAX", str(MAX_ATTRIBUTES)),
    re.VERBOSE,
)


def no_deadline() -> None:
    """Check no deadline, so the extraction may take any time."""


def parse_html(text: str, check_deadline: CheckDeadline) -> Element:
    """Return the root element, or an empty `<html>` if the text has no elements.

    Args:
        text: HTML without NUL characters.
        check_deadline: called after each chunk; if it raises an exception, parsing ends.

    Raises:
        ExtractionError: `too_large`, if the page has too many tags, too many tags begin inside other tags, or
            a tag has too many attributes.
    """
    tags = text.count("<")
    if tags > MAX_TAGS:
        raise ExtractionError(Reason.TOO_LARGE, f"{tags} tags on the page; the maximum is {MAX_TAGS}")
    if len(text) > CHUNK_BYTES:
        _check_attributes(text, check_deadline)
    root = _parse_in_chunks(text, check_deadline)
    if root is None:
        return etree.fromstring(b"<html/>")
    _move_into_body(root)
    return root


def _parse_in_chunks(text: str, check_deadline: CheckDeadline) -> Element | None:
    # The text is passed as UTF-8, and `encoding` overrides the encoding that the text may declare.
    body = text.encode("utf-8", "replace")
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    for start in range(0, len(body), CHUNK_BYTES):
        parser.feed(body[start : start + CHUNK_BYTES])
        check_deadline()
    try:
        root: Element | None = parser.close()
    except etree.XMLSyntaxError:  # the text has no elements
        return None
    return root


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


def _check_attributes(text: str, check_deadline: CheckDeadline) -> None:
    """Raise ExtractionError if a tag has more than `MAX_ATTRIBUTES` attributes.

    Whether a `<` and a letter begin a tag depends on all the text before them, because they may also be part
    of a script. So the attributes after each of them are counted; only if there are too many is the text
    before them parsed.
    """
    suspects, remaining = 0, MAX_RESCANS * len(text)
    for start in _TAG_START.finditer(text):
        attributes = _ATTRIBUTES.match(text, start.end())
        if attributes is None:
            continue
        remaining -= attributes.end() - attributes.start()
        suspects += attributes["more"] is not None
        if remaining < 0 or suspects > MAX_SUSPECT_TAGS:
            raise ExtractionError(Reason.TOO_LARGE, "too many tags on the page begin inside other tags")
        if attributes["more"] is not None and _begins_a_tag(text[: start.start()], check_deadline):
            raise ExtractionError(
                Reason.TOO_LARGE, f"an element of more than {MAX_ATTRIBUTES} attributes on the page"
            )


def _begins_a_tag(before: str, check_deadline: CheckDeadline) -> bool:
    """Return whether the parser recognises a tag if it follows the text `before`."""
    root = _parse_in_chunks(before + "<scrapeq-probe>", check_deadline)
    return root is not None and next(root.iter("scrapeq-probe"), None) is not None
