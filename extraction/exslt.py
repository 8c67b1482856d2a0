"""Implements EXSLT's `re:test` for XPath (http://exslt.org/regexp/functions/test/), with a time limit. Pure.

lxml's own `re:test` uses Python's `re`, which has no time limit, so its search of a hostile page could take
forever.
"""

from lxml import etree

from extraction.patterns import SEARCH_SECONDS, compile_pattern, search_within_limits

NAMESPACE = "http://exslt.org/regular-expressions"


def _test(_context: object, text: object, pattern: object, flags: object = "") -> bool:
    subject = _text(text)
    compiled = compile_pattern(_text(pattern), ignore_case="i" in _text(flags))
    found = search_within_limits(subject, lambda: compiled.search(subject, timeout=SEARCH_SECONDS))
    return found is not None


def _text(value: object) -> str:
    """Return an XPath value as a string; the string of a node set is the text of its first node."""
    if isinstance(value, list):
        if not value:
            return ""
        value = value[0]
    return "".join(value.itertext()) if isinstance(value, etree._Element) else str(value)  # noqa: SLF001 - lxml's type has no public name


FUNCTIONS = {(NAMESPACE, "test"): _test}
