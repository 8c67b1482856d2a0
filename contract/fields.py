"""Defines the parts of a recipe's field: its type, its sources and its transforms."""

import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contract.faults import LONG_FORM, SHORT_FORM
from contract.selectors import Css, JmesPath, JsonLd, Meta, Pattern, XPath

MAX_SOURCES = 10
MAX_TRANSFORMS = 10
_DOCUMENTED = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FieldType(StrEnum):
    """The type that a field's text is converted to."""

    TEXT = "text"  #: text; each run of white space becomes one space, and both ends are trimmed
    NUMBER = "number"  #: a JSON number, read from a text such as `1,234.56`, `£51.77` or `-3`
    INTEGER = "integer"  #: a number without decimals, of at most 64 bits
    BOOLEAN = "boolean"  #: read from true/false, yes/no, on/off or 1/0, in upper or lower case
    URL = "url"  #: an absolute URL, resolved against the page's URL (or its <base>)
    HTML = "html"  #: the markup, unchanged
    DATE = "date"  #: a date in ISO 8601, `2026-11-22`
    DATETIME = "datetime"  #: ISO 8601, `2026-11-22T06:00:00+01:00`; no offset if the page gives no time zone


class Locale(StrEnum):
    """Language and country whose conventions numbers and dates follow.

    The locale determines the decimal separator, the order of day and month, and the names of the months.
    """

    EN = "en"  #: English month names and a decimal point; the order of day and month is not determined
    EN_US = "en-US"
    EN_GB = "en-GB"
    DE = "de"
    ES = "es"
    FR = "fr"
    IT = "it"
    NL = "nl"
    PL = "pl"
    PT = "pt"
    SV = "sv"


class DecimalSeparator(StrEnum):
    """The character between a number's integer part and its decimals."""

    POINT = "."
    COMMA = ","


class Source(BaseModel):
    """Where a value is on the page: one of css, xpath, jmespath, jsonld and meta.

    jmespath may be combined with css or xpath, which then selects the JSON text.
    """

    model_config = _DOCUMENTED

    css: Css | None = None
    """CSS selector, with parsel's extensions `::text` and `::attr(name)`."""
    xpath: XPath | None = None
    """XPath 1.0 expression."""
    jmespath: JmesPath | None = None
    """JMESPath expression. It searches the page if the page is JSON, the item if the item came from JSON, or
    the JSON text that css or xpath selects."""
    jsonld: JsonLd | None = None
    """Type and properties in the page's JSON-LD, for example `Product.offers.price`."""
    meta: Meta | None = None
    """The property, name, itemprop or http-equiv of a `<meta>` element, for example `og:title`."""
    re: Pattern | None = None
    """Regular expression that is searched in the selected text. The value is its group, or the whole match if
    there is no group."""

    @model_validator(mode="after")
    def _check_selectors(self) -> Self:
        if not self.has_one_selector():
            raise ValueError("exactly one of css, xpath, jmespath, jsonld and meta is needed")
        return self

    def has_one_selector(self) -> bool:
        """Return whether exactly one selector is given, or jmespath together with css or xpath."""
        given = [self.css, self.xpath, self.jmespath, self.jsonld, self.meta]
        count = sum(selector is not None for selector in given)
        embedded = self.jmespath is not None and (self.css is not None or self.xpath is not None)
        return count == (2 if embedded else 1)

    def selects_elements(self) -> bool:
        """Return whether css or xpath is given; they select elements of HTML or XML, and nothing in JSON."""
        return self.css is not None or self.xpath is not None

    def __str__(self) -> str:
        selectors = [self.css or self.xpath, self.jmespath]
        selectors += [
            f"jsonld {self.jsonld}" if self.jsonld else None,
            f"meta {self.meta}" if self.meta else None,
        ]
        return " | ".join(selector for selector in selectors if selector is not None)


def _form(value: Any) -> str:  # noqa: ANN401 - the document's author may write any JSON value
    return SHORT_FORM if isinstance(value, str) else LONG_FORM


#: A source in short form (a string: a CSS selector) or in long form (an object: a `Source`).
CssOrSource = Annotated[
    Annotated[Css, Tag(SHORT_FORM)] | Annotated[Source, Tag(LONG_FORM)], Discriminator(_form)
]


def as_source(value: str | Source) -> Source:
    """Return a `CssOrSource` in long form."""
    return Source.model_construct(css=value) if isinstance(value, str) else value


class SimpleTransform(StrEnum):
    """A transform that changes each text and has no arguments."""

    STRIP = "strip"  #: removes white space at both ends
    NORMALISE_SPACE = "normalise_space"  #: strips, and replaces each run of white space by one space
    LOWER = "lower"
    UPPER = "upper"


_Part = Annotated[str, Field(min_length=1, max_length=100)]


class Transform(BaseModel):
    """A transform of the texts that has arguments: exactly one of split, join and replace."""

    model_config = _DOCUMENTED

    split: _Part | None = None
    """Splits each text at this separator."""
    join: Annotated[str, Field(max_length=100)] | None = None
    """Joins all texts into one, with this separator between them."""
    replace: Annotated[dict[_Part, Annotated[str, Field(max_length=100)]], Field(min_length=1)] | None = None
    """Replaces all occurrences of each key by its value, in the order of the keys in the recipe."""

    @model_validator(mode="after")
    def _check_exactly_one(self) -> Self:
        if [self.split, self.join, self.replace].count(None) != 2:
            raise ValueError("exactly one of split, join and replace is needed")
        return self


AnyTransform = Annotated[
    Annotated[SimpleTransform, Tag(SHORT_FORM)] | Annotated[Transform, Tag(LONG_FORM)], Discriminator(_form)
]
Transforms = Annotated[tuple[AnyTransform, ...], Field(max_length=MAX_TRANSFORMS)]
AlternativeSources = Annotated[tuple[Source, ...], Field(max_length=MAX_SOURCES)]

_DIRECTIVES = frozenset("aAbBdfHIjmMpSTyYzZ%")
_DATE_PARTS = ({"Y", "y"}, {"m", "b", "B", "j"}, {"d", "j"})


def _check_date_format(text: str) -> str:
    if text == "%s":  # seconds since 1970, as in date(1)
        return text
    directives = [after for before, after in pairwise(re.sub("%%", "", text) + " ") if before == "%"]
    unknown = sorted(set(directives) - _DIRECTIVES)
    if unknown:
        raise ValueError(f"not a date format: the directive %{unknown[0]} is unknown")
    if not all(part & set(directives) for part in _DATE_PARTS):
        raise ValueError("not a date format: year, month and day are needed, as in %d.%m.%Y")
    if len(directives) != len(set(directives)):
        raise ValueError("not a date format: a directive occurs twice")
    return text


DateFormat = Annotated[str, Field(min_length=2, max_length=100), AfterValidator(_check_date_format)]
