"""The regular expressions of EXSLT inside XPath (http://exslt.org/regexp/), as in lxml, with a time limit.

lxml's own are Python's `re`, which a page could hold up for ever.
"""

from typing import Any

from lxml import etree

from contract.patterns import SEARCH_SECONDS, compile_pattern, limited

NAMESPACE = "http://exslt.org/regular-expressions"


def _test(_context: object, text: object, pattern: object, flags: object = "") -> bool:
    subject, compiled = _text(text), _compiled(pattern, flags)
    return limited(subject, lambda: compiled.search(subject, timeout=SEARCH_SECONDS)) is not None


def _match(_context: object, text: object, pattern: object, flags: object = "") -> list[Any]:
    subject, compiled = _text(text), _compiled(pattern, flags)
    if "g" in _text(flags):
        found = limited(subject, lambda: compiled.findall(subject, timeout=SEARCH_SECONDS))
    else:
        match = limited(subject, lambda: compiled.search(subject, timeout=SEARCH_SECONDS))
        found = [] if match is None else [match[0], *match.groups("")]
    root = etree.Element("matches")
    for each in found:
        etree.SubElement(root, "match").text = each if isinstance(each, str) else "".join(each)
    return list(root)


def _replace(_context: object, text: object, pattern: object, flags: object, by: object) -> str:
    subject, compiled = _text(text), _compiled(pattern, flags)
    count = 0 if "g" in _text(flags) else 1
    return str(limited(subject, lambda: compiled.sub(_text(by), subject, count, timeout=SEARCH_SECONDS)))


def _compiled(pattern: object, flags: object) -> Any:  # noqa: ANN401 - regex's Pattern has no useful type
    return compile_pattern(_text(pattern), ignore_case="i" in _text(flags))


def _text(value: object) -> str:
    """Return an XPath value as a string: of a node set, its first node's text."""
    if isinstance(value, list):
        if not value:
            return ""
        value = value[0]
    return "".join(value.itertext()) if isinstance(value, etree._Element) else str(value)  # noqa: SLF001 - lxml's type has no public name


FUNCTIONS = {
    (NAMESPACE, "test"): _test,
    (NAMESPACE, "match"): _match,
    (NAMESPACE, "replace"): _replace,
}
