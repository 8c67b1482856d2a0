"""Defines the types of a recipe's selectors, which locate values on a page.

To check whether a selector compiles, a parser (lxml, cssselect or jmespath) must be imported. These
imports are slow and unnecessary for reading a job or an outcome. So this module imports no parser, and a
caller that uses the selectors passes the checks (`extraction.selectors.CHECKS`) as pydantic's validation
context.
"""

import re
from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo

MAX_SELECTOR_CHARACTERS = 1000
_JSON_LD_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.@?[A-Za-z_][A-Za-z0-9_-]*)*")


class SelectorChecks(NamedTuple):
    """Functions that check selectors, one for each language that needs a parser.

    Each function gets a selector and raises ValueError if the selector does not compile; the message is the
    reason.
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
        raise ValueError(
            "not a path into JSON-LD: a type, then its properties, for example Product.offers.price"
        )
    return path


_Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARACTERS)]
Css = Annotated[_Selector, AfterValidator(_check_with("css"))]
XPath = Annotated[_Selector, AfterValidator(_check_with("xpath"))]
JmesPath = Annotated[_Selector, AfterValidator(_check_with("jmespath"))]
JsonLd = Annotated[_Selector, AfterValidator(_check_json_ld_path)]
Meta = _Selector
Pattern = Annotated[_Selector, AfterValidator(_check_with("pattern"))]
