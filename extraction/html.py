"""HTML as elements, in time that is bounded and can be ended. Pure.

Inside libxml2 nothing is interrupted, so a page is fed to it in pieces, and what would make one piece, or the
tree, cost out of all proportion is refused before. Measured on libxml2 2.14: an element's attributes cost the
square of their number (16,000 take 0.3 s, a page of 5 MiB ten minutes); an end tag the depth, at most 2,048.
"""

import re
from collections.abc import Callable

from lxml import etree
from lxml.etree import _Element as Element

from contract.outcome import Reason
from extraction.errors import ExtractionError

CheckDeadline = Callable[[], object]  #: called in between; raises where there is no time left
PIECE_BYTES = 64 * 1024  #: a tenth of a second at the very most
MAX_TAGS = 500_000  #: as many `<`; elements of a page of 5 MiB could fill an instance's memory
MAX_ATTRIBUTES = 2_000  #: of one element
MAX_SUSPECTS = 20  #: long runs of what could be attributes, as scripts have them
MAX_READ_AGAIN = 8  #: times the page, for tags that seem to begin inside of others
_START = re.compile(r"<[a-zA-Z]")
# A start tag's attributes, and whether there are more; it always matches, and never goes back
# (https://html.spec.whatwg.org/#before-attribute-name-state).
_ATTRIBUTES = re.compile(
    r"""[^\ \t\n\f\r/>]*+
    (?:[\ \t\n\f\r/]*+[^\ \t\n\f\r/>][^\ \t\n\f\r/>=]*+
       (?:[\ \t\n\f\r]*+=[\ \t\n\f\r]*+(?:"[^"]*+"?+|'[^']*+'?+|[^\ \t\n\f\r>"'][^\ \t\n\f\r>]*+)?+)?+
    ){0,MOST}+[\ \t\n\f\r/]*+(?P<more>[^>])?+""".replace("MOST", str(MAX_ATTRIBUTES)),
    re.VERBOSE,
)


def no_deadline() -> None:
    """Let extraction take its time."""


def parse_html(text: str, check_deadline: CheckDeadline) -> Element:
    """Return the root element; that of an empty page where there is none.

    Args:
        text: without NULs.
        check_deadline: see `CheckDeadline`.

    Raises:
        ExtractionError: `too_large`, by its tags or the attributes of one.
    """
    tags = text.count("<")
    if tags > MAX_TAGS:
        raise ExtractionError(Reason.TOO_LARGE, f"{tags} tags on the page; at most {MAX_TAGS} are read")
    if len(text) > PIECE_BYTES:
        _check_attributes(text, check_deadline)
    root = _fed(text, check_deadline)
    return etree.fromstring(b"<html/>") if root is None else root


def _fed(text: str, check_deadline: CheckDeadline) -> Element | None:
    # In UTF-8, and told so, whatever the text declares.
    body = text.encode("utf-8", "replace")
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    for at in range(0, len(body), PIECE_BYTES):
        parser.feed(body[at : at + PIECE_BYTES])
        check_deadline()
    try:
        root: Element | None = parser.close()
    except etree.XMLSyntaxError:  # nothing in it that makes a document
        return None
    return root


def _check_attributes(text: str, check_deadline: CheckDeadline) -> None:
    """Raise ExtractionError where a tag has more attributes than anybody writes.

    Whether a `<a` begins a tag depends on all before it: a script has such too. So the attributes of each are
    counted, and where there are too many, the parser is asked.
    """
    suspects, left = 0, MAX_READ_AGAIN * len(text)
    for start in _START.finditer(text):
        attributes = _ATTRIBUTES.match(text, start.end())
        if attributes is None:
            continue
        left -= attributes.end() - attributes.start()
        suspects += attributes["more"] is not None
        if left < 0 or suspects > MAX_SUSPECTS:
            raise ExtractionError(Reason.TOO_LARGE, "tags that begin inside of tags, over and over")
        if attributes["more"] is not None and _begins_a_tag(text[: start.start()], check_deadline):
            raise ExtractionError(
                Reason.TOO_LARGE, f"an element of more than {MAX_ATTRIBUTES} attributes on the page"
            )


def _begins_a_tag(before: str, check_deadline: CheckDeadline) -> bool:
    """Return whether a tag that stands after `before` is one to the parser."""
    root = _fed(before + "<scrapeq-probe>", check_deadline)
    return root is not None and next(root.iter("scrapeq-probe"), None) is not None
