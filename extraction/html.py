"""Parses HTML in bounded time, with checks of the deadline in between. Pure.

A call into libxml2 cannot be interrupted, so a page is parsed in chunks, and a page on which one chunk or the
tree would cost far too much is rejected first. Measured on libxml2 2.14: the attributes of one element cost
the square of their number (16,000 take 0.3 s, a page of 5 MiB ten minutes); an end tag costs the depth, at
most 2,048.
"""

import re
from collections.abc import Callable

from lxml import etree
from lxml.etree import _Element as Element

from contract.outcome import Reason
from extraction.errors import ExtractionError

CheckDeadline = Callable[[], object]  #: called between steps; raises if no time remains
CHUNK_BYTES = 64 * 1024  #: parsing one chunk takes a tenth of a second at most
MAX_TAGS = (
    500_000  #: number of `<` on a page; the elements of a page of 5 MiB could fill an instance's memory
)
MAX_ATTRIBUTES = 2_000  #: attributes of one element
#: Places on a page where more than `MAX_ATTRIBUTES` seem to follow a `<`; scripts have some.
MAX_SUSPECT_TAGS = 20
#: Characters that counting attributes may read, as a multiple of the page; nested `<` are read again.
MAX_RESCANS = 8
_TAG_START = re.compile(r"<[a-zA-Z]")
# The attributes of a start tag, and whether more follow. It always matches and never backtracks
# (https://html.spec.whatwg.org/#before-attribute-name-state).
_ATTRIBUTES = re.compile(
    r"""[^\ \t\n\f\r/>]*+
    (?:[\ \t\n\f\r/]*+[^\ \t\n\f\r/>][^\ \t\n\f\r/>=]*+
       (?:[\ \t\n\f\r]*+=[\ \t\n\f\r]*+(?:"[^"]*+"?+|'[^']*+'?+|[^\ \t\n\f\r>"'][^\ \t\n\f\r>]*+)?+)?+
    ){0,MAX}+[\ \t\n\f\r/]*+(?P<more>[^>])?+""".replace("MAX", str(MAX_ATTRIBUTES)),
    re.VERBOSE,
)


def no_deadline() -> None:
    """Let extraction take any time."""


def parse_html(text: str, check_deadline: CheckDeadline) -> Element:
    """Return the root element; an empty `<html>` if the text has no elements.

    Args:
        text: HTML without NUL characters.
        check_deadline: called between chunks; what it raises ends the parsing.

    Raises:
        ExtractionError: `too_large`, if the page has too many tags, or one of its tags too many attributes.
    """
    tags = text.count("<")
    if tags > MAX_TAGS:
        raise ExtractionError(Reason.TOO_LARGE, f"{tags} tags on the page; at most {MAX_TAGS} are read")
    if len(text) > CHUNK_BYTES:
        _check_attributes(text, check_deadline)
    root = _parse_in_chunks(text, check_deadline)
    return etree.fromstring(b"<html/>") if root is None else root


def _parse_in_chunks(text: str, check_deadline: CheckDeadline) -> Element | None:
    # The parser gets UTF-8 and is told so, because the text may declare another encoding.
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


def _check_attributes(text: str, check_deadline: CheckDeadline) -> None:
    """Raise ExtractionError if a tag has more than `MAX_ATTRIBUTES` attributes.

    Whether a `<a` begins a tag depends on all the text before it, because scripts contain such text too. So
    count the attributes behind every `<a`, and ask the parser only if there are too many.
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
    """Return whether the parser takes a tag that follows `before` for a tag."""
    root = _parse_in_chunks(before + "<scrapeq-probe>", check_deadline)
    return root is not None and next(root.iter("scrapeq-probe"), None) is not None
