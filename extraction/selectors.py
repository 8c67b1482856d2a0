"""Compiles selectors in CSS, XPath and JMESPath, and checks whether a selector compiles. Pure.

Compiled selectors are cached until the process ends, because a worker has few recipes and many pages.
"""

import re
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import jmespath
from jmespath.functions import Functions
from lxml import etree
from parsel.csstranslator import GenericTranslator, HTMLTranslator

from contract.fields import Source
from contract.selectors import SelectorChecks
from extraction import exslt
from extraction.errors import BadRecipe
from extraction.patterns import check_pattern

_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")  # XPath has no escapes in strings
_RE_FUNCTION = re.compile(r"(?<![\w.-])re:([\w.-]+)\s*\(")
#: An expression that only names elements, and how each of its paths begins.
_NAMES = re.compile(
    r"(//|descendant-or-self::)[a-z][\w-]*(?:\s*\|\s*\1[a-z][\w-]*)*", re.ASCII | re.IGNORECASE
)
MAX_COPIES = 16  #: maximum number of copies of the document that the multi-selects of an expression make
#: Namespace prefixes that a recipe's XPath and CSS (`dc|creator`) may use.
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

    Names are case-sensitive in XML, but not in HTML.

    Raises:
        BadRecipe: if it is not a CSS selector; the message gives the position.
    """
    translator = GenericTranslator() if xml else HTMLTranslator()
    try:
        return str(translator.css_to_xpath(selector))
    except Exception as error:  # noqa: BLE001 - cssselect and parsel raise exceptions without a common base
        raise BadRecipe(f"not a CSS selector: {error}") from None


def xpath_of(source: Source, *, xml: bool = False) -> str | None:
    """Return the XPath expression of a source's css or xpath; None if the source has neither."""
    return css_to_xpath(source.css, xml=xml) if source.css is not None else source.xpath


@lru_cache(maxsize=4096)
def compile_xpath(expression: str) -> etree.XPath:
    """Return the compiled XPath 1.0 expression, which may use EXSLT's `re:test` and its set functions.

    Raises:
        BadRecipe: if it is not an XPath expression.
    """
    # Pass only the prefixes that the expression uses. If the prefix of EXSLT's sets is passed, lxml 6.1
    # registers their functions at each evaluation and leaks 130 B each time, so a worker's memory grew.
    used = {prefix: uri for prefix, uri in PREFIXES.items() if f"{prefix}:" in expression}
    try:
        return etree.XPath(
            expression,
            namespaces=used,
            extensions=exslt.FUNCTIONS,
            regexp=False,
            smart_strings=False,
        )
    except etree.XPathSyntaxError as error:
        raise BadRecipe(f"not an XPath expression: {error}") from None


class NamedElements(NamedTuple):
    """What an expression selects that only names elements.

    Attributes:
        names: the names.
        in_page: whether the elements are searched in the whole page; otherwise in a node, and it is one, too.
    """

    names: list[str]
    in_page: bool


@lru_cache(maxsize=4096)
def named_elements(expression: str) -> NamedElements | None:
    """Return what an expression selects if it only names elements, such as `//h1 | //h2`; otherwise None."""
    match = _NAMES.fullmatch(expression.strip(" \t\r\n"))
    if match is None:
        return None
    names = [path.strip().removeprefix(match[1]) for path in expression.split("|")]
    # A page in HTML may have several elements <html>, of which all but the first are outside of its root.
    return None if "html" in names else NamedElements(names, in_page=match[1] == "//")


@lru_cache(maxsize=4096)
def compile_jmespath(expression: str) -> dict[str, Any]:
    """Return the syntax tree of a JMESPath expression.

    Raises:
        BadRecipe: if it is not a JMESPath expression, calls an unknown function, or makes too many copies of
            the document.
    """
    try:
        tree: dict[str, Any] = jmespath.compile(expression).parsed
    except (ValueError, RecursionError) as error:
        lines = str(error).splitlines()
        raise BadRecipe(f"not a JMESPath expression: {lines[0] if lines else 'nested too deeply'}") from None
    copies = 1
    for node in _syntax_nodes(tree):
        if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
            raise BadRecipe(f"not a JMESPath expression: there is no function {node['value']}()")
        if node["type"].startswith("multi_select"):
            copies *= len(node["children"])
    if copies > MAX_COPIES:
        raise BadRecipe(f"the multi-selects make {copies} copies; the maximum is {MAX_COPIES}")
    return tree


def _syntax_nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    inner = (child for child in tree.get("children", []) if isinstance(child, dict))
    return [tree, *chain.from_iterable(_syntax_nodes(child) for child in inner)]


def _check_css(selector: str) -> None:
    compile_xpath(css_to_xpath(selector))


def _check_xpath(expression: str) -> None:
    compile_xpath(expression)
    without_strings = _STRING.sub("''", expression)
    for function in _RE_FUNCTION.findall(without_strings):
        if function != "test":
            raise BadRecipe(
                f"there is no function re:{function}(); select with re:test(), and convert the value with the"
                " field's `re` or `transforms`"
            )


#: The checks of selectors in what people write: `Crawl.decode` and `Recipe.from_document`.
CHECKS = SelectorChecks(css=_check_css, xpath=_check_xpath, jmespath=compile_jmespath, pattern=check_pattern)
#: The checks of selectors in a job (`Job.decode`). lxml compiles calls of unknown functions, and so do these
#: checks: a queued job of version 0.1 that calls re:match() is read, and its outcome is `bad_recipe`.
JOB_CHECKS = CHECKS._replace(xpath=compile_xpath)
