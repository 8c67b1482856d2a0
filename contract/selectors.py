"""Selectors of a recipe: where on a page a value stands. What is taken compiles."""

import re
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any

import jmespath
from jmespath.functions import Functions
from lxml import etree
from parsel.csstranslator import GenericTranslator, HTMLTranslator
from pydantic import AfterValidator, Field

from contract import exslt
from contract.patterns import check_pattern

MAX_SELECTOR_CHARACTERS = 1000
MAX_COPIES = 16  #: of a document, that one jmespath expression's multi-selects may put side by side
#: Prefixes that XPath and CSS (`dc|creator`) know, beside those of EXSLT.
PREFIXES = {
    "re": exslt.NAMESPACE,
    "set": "http://exslt.org/sets",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "georss": "http://www.georss.org/georss",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "xlink": "http://www.w3.org/1999/xlink",
}


@lru_cache(maxsize=4096)
def css_to_xpath(selector: str, *, xml: bool = False) -> str:
    """Translate a CSS selector (with parsel's `::text` and `::attr(name)`) to XPath.

    In XML the case of names counts; in HTML it does not.

    Raises:
        ValueError: for what is no CSS selector; the message says where.
    """
    translator = GenericTranslator() if xml else HTMLTranslator()
    try:
        return str(translator.css_to_xpath(selector))
    except Exception as wrong:  # noqa: BLE001 - cssselect and parsel raise unrelated classes
        raise ValueError(f"not a CSS selector: {wrong}") from None


@lru_cache(maxsize=4096)
def compile_xpath(expression: str) -> etree.XPath:
    """Return an XPath 1.0 expression compiled, once for all pages, with the EXSLT functions parsel offers.

    Raises:
        ValueError: for what is none.
    """
    # Only those it uses: where lxml 6.1 knows EXSLT's sets, it registers their functions at each evaluation,
    # and loses 130 B each time. That was all that a worker's memory grew by.
    used = {prefix: uri for prefix, uri in PREFIXES.items() if f"{prefix}:" in expression}
    try:
        return etree.XPath(
            expression,
            namespaces=used,
            extensions=exslt.FUNCTIONS,
            regexp=False,
            smart_strings=False,
        )
    except etree.XPathSyntaxError as wrong:
        raise ValueError(f"not an XPath expression: {wrong}") from None


def check_xpath(expression: str) -> str:
    """Return `expression` if it compiles; raise ValueError if not."""
    compile_xpath(expression)
    return expression


@lru_cache(maxsize=4096)
def compile_jmespath(expression: str) -> dict[str, Any]:
    """Return the syntax tree of a JMESPath expression.

    Raises:
        ValueError: for what is none, names a function there is not, or would multiply what it is given.
    """
    try:
        tree: dict[str, Any] = jmespath.compile(expression).parsed
    except (ValueError, RecursionError) as wrong:
        said = str(wrong).splitlines()
        raise ValueError(f"not a JMESPath expression: {said[0] if said else 'nested too deeply'}") from None
    copies = 1
    for node in _nodes(tree):
        if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
            raise ValueError(f"not a JMESPath expression: there is no function {node['value']}()")
        if node["type"].startswith("multi_select"):
            copies *= len(node["children"])
    if copies > MAX_COPIES:
        raise ValueError(f"its multi-selects make {copies} copies; at most {MAX_COPIES} are made")
    return tree


def _nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    inner = (child for child in tree.get("children", []) if isinstance(child, dict))
    return [tree, *chain.from_iterable(_nodes(child) for child in inner)]


def _check_css(selector: str) -> str:
    check_xpath(css_to_xpath(selector))
    return selector


def _check_jmespath(expression: str) -> str:
    compile_jmespath(expression)
    return expression


_JSONLD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.@?[A-Za-z_][A-Za-z0-9_-]*)*")


def _check_jsonld(path: str) -> str:
    if not _JSONLD.fullmatch(path):
        raise ValueError("not a path into JSON-LD: a type, then its properties, as Product.offers.price")
    return path


_Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARACTERS)]
Css = Annotated[_Selector, AfterValidator(_check_css)]
XPath = Annotated[_Selector, AfterValidator(check_xpath)]
JmesPath = Annotated[_Selector, AfterValidator(_check_jmespath)]
JsonLd = Annotated[_Selector, AfterValidator(_check_jsonld)]
Meta = _Selector
Pattern = Annotated[_Selector, AfterValidator(check_pattern)]
