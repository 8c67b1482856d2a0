"""Implements EXSLT's `re:test` for XPath (http://exslt.org/regexp/functions/test/). Pure.

lxml's own `re:test` raises `re.error` for an invalid pattern; this one raises `BadRecipe`.
"""

from lxml import etree

from extraction.patterns import compile_pattern

NAMESPACE = "http://exslt.org/regular-expressions"


def _test(_context: object, text: object, pattern: object, flags: object = "") -> bool:
    compiled = compile_pattern(_text(pattern), ignore_case="i" in _text(flags))
    return compiled.search(_text(text)) is not None


def _text(value: object) -> str:
    """Return an XPath value as a string; the string of a node set is the text of its first node."""
    if isinstance(value, list):
        if not value:
            return ""
        value = value[0]
    return "".join(value.itertext()) if isinstance(value, etree._Element) else str(value)  # noqa: SLF001 - lxml's type has no public name


FUNCTIONS = {(NAMESPACE, "test"): _test}
