"""Selectors of a recipe, as data: where on a page a value stands.

Only a parser (lxml, cssselect, jmespath, regex) can say whether a selector compiles. Parsers are heavy, and
reading a job or an outcome needs none of them, so a caller that uses the selectors passes the checks
(`extraction.selectors.CHECKS`) in pydantic's validation context.
"""

import re
from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo

MAX_SELECTOR_CHARACTERS = 1000
_JSON_LD_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.@?[A-Za-z_][A-Za-z0-9_-]*)*")


class SelectorChecks(NamedTuple):
    """One function for each language that needs a parser.

    Each takes a selector and raises ValueError, saying what is wrong, if the selector does not compile.
    """

    css: Callable[[str], object]
    xpath: Callable[[str], object]
    jmespath: Callable[[str], object]
    pattern: Callable[[str], object]


def _check_with(language: str) -> Callable[[str, ValidationInfo], str]:
    def check(selector: str, info: ValidationInfo) -> str:
        if isinstance(info.context, SelectorChecks):
            getattr(info.context, language)(selector)
        return selector

    return check


def _check_json_ld_path(path: str) -> str:
    if not _JSON_LD_PATH.fullmatch(path):
        raise ValueError("not a path into JSON-LD: a type, then its properties, as Product.offers.price")
    return path


_Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARACTERS)]
Css = Annotated[_Selector, AfterValidator(_check_with("css"))]
XPath = Annotated[_Selector, AfterValidator(_check_with("xpath"))]
JmesPath = Annotated[_Selector, AfterValidator(_check_with("jmespath"))]
JsonLd = Annotated[_Selector, AfterValidator(_check_json_ld_path)]
Meta = _Selector
Pattern = Annotated[_Selector, AfterValidator(_check_with("pattern"))]
