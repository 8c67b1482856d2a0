"""Recipes: what to extract from a page, as data."""

import re
import warnings
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

from lxml import etree
from parsel.csstranslator import HTMLTranslator
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

MAX_FIELDS = 100
MAX_SELECTOR_CHARACTERS = 1000
_EXSLT = {"re": "http://exslt.org/regular-expressions", "set": "http://exslt.org/sets"}
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"


class FieldType(StrEnum):
    """What a field's text is read as."""

    TEXT = "text"  #: white space runs become one space, ends trimmed
    NUMBER = "number"  #: a JSON number, from `1,234.56`, `£51.77`, `-3`
    INTEGER = "integer"
    BOOLEAN = "boolean"  #: from true/false, yes/no, 1/0, in any case
    URL = "url"  #: absolute, resolved against the page's own URL (or its <base>)
    HTML = "html"  #: the markup as it stands


@lru_cache(maxsize=4096)
def css_to_xpath(selector: str) -> str:
    """Translate a CSS selector (with parsel's `::text` and `::attr(name)`) to XPath.

    Raises:
        ValueError: for what is no CSS selector; the message says where.
    """
    try:
        return HTMLTranslator().css_to_xpath(selector)
    except Exception as wrong:  # noqa: BLE001 - cssselect and parsel raise unrelated classes
        raise ValueError(f"not a CSS selector: {wrong}") from None


@lru_cache(maxsize=4096)
def compile_xpath(expression: str) -> etree.XPath:
    """Return an XPath 1.0 expression compiled, once for all pages, with the EXSLT functions parsel offers.

    Raises:
        ValueError: for what is none.
    """
    try:
        return etree.XPath(expression, namespaces=_EXSLT, smart_strings=False)
    except etree.XPathSyntaxError as wrong:
        raise ValueError(f"not an XPath expression: {wrong}") from None


def check_xpath(expression: str) -> str:
    """Return `expression` if it compiles; raise ValueError if not."""
    compile_xpath(expression)
    return expression


def _check_css(selector: str) -> str:
    check_xpath(css_to_xpath(selector))
    return selector


@lru_cache(maxsize=4096)
def _check_re(pattern: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # "[[a]" will mean something else one day
            groups = re.compile(pattern).groups
    except (
        re.error,
        FutureWarning,
        OverflowError,
        RecursionError,
    ) as wrong:  # "a{9999999999}", hundreds of brackets
        raise ValueError(f"not a regular expression: {wrong}") from None
    if groups > 1:
        raise ValueError(f"at most one group, the value; this pattern has {groups}")
    return pattern


_Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARACTERS)]
Css = Annotated[_Selector, AfterValidator(_check_css)]
XPath = Annotated[_Selector, AfterValidator(check_xpath)]
Pattern = Annotated[_Selector, AfterValidator(_check_re)]


class RecipeField(BaseModel):
    """How one field of an item is found and read.

    Attributes:
        css: CSS selector; `::text` and `::attr(name)` as in parsel. Exactly one of `css` and `xpath`.
        xpath: XPath 1.0 expression.
        re: regular expression searched in the text found; its group, or all it matches, is the value.
        type: what the text is read as.
        many: all matches as a list, instead of the first.
        required: a page where it is missing has failed (`missing_field`).
        default: the value where nothing is found; JSON.
    """

    model_config = ConfigDict(frozen=True)

    css: Css | None = None
    xpath: XPath | None = None
    re: Pattern | None = None
    type: FieldType = FieldType.TEXT
    many: bool = False
    required: bool = False
    default: JsonValue = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.css is None) == (self.xpath is None):
            raise ValueError("exactly one of css and xpath is needed")
        if self.required and self.default is not None:
            raise ValueError("required and default exclude each other: a default is never missing")
        return self

    def selector(self) -> str:
        """Return the XPath expression that finds the field, whichever way it was written."""
        return css_to_xpath(self.css) if self.css is not None else str(self.xpath)


class Recipe(BaseModel):
    """What to extract from a page.

    Attributes:
        name: what the ledger groups by.
        items: CSS selector of the elements that hold one item each; without it the page is one item.
        fields: name → how to find it; at most 100.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=_NAME)]
    items: Css | None = None
    fields: Annotated[
        dict[Annotated[str, Field(pattern=_NAME)], RecipeField], Field(min_length=1, max_length=MAX_FIELDS)
    ]

    def wire(self) -> dict[str, Any]:
        """Return the recipe as it travels: JSON values, defaults left out.

        Left-out defaults keep the identity of jobs when a later version adds a field.
        """
        return self.model_dump(mode="json", exclude_defaults=True)
