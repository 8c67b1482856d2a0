"""What a field of a recipe is made of: its types, its sources, its transforms."""

import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contract.faults import LONG, SHORT
from contract.selectors import Css, JmesPath, JsonLd, Meta, Pattern, XPath

MAX_SOURCES = 10
MAX_TRANSFORMS = 10


class FieldType(StrEnum):
    """What a field's text is read as."""

    TEXT = "text"  #: white space runs become one space, ends trimmed
    NUMBER = "number"  #: a JSON number, from `1,234.56`, `£51.77`, `-3`
    INTEGER = "integer"
    BOOLEAN = "boolean"  #: from true/false, yes/no, 1/0, in any case
    URL = "url"  #: absolute, resolved against the page's own URL (or its <base>)
    HTML = "html"  #: the markup as it stands
    DATE = "date"  #: ISO 8601, `2026-11-22`
    DATETIME = "datetime"  #: ISO 8601, `2026-11-22T06:00:00+01:00`; without an offset where the page has none


class Locale(StrEnum):
    """Whose habits numbers and dates follow: the decimal sign, the order of day and month, months' names."""

    EN = "en"  #: months in English; says nothing of the order of day and month
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


class Decimal(StrEnum):
    """What stands before the decimals of a number."""

    POINT = "."
    COMMA = ","


class Source(BaseModel):
    """Where a value stands: one of css, xpath, jmespath, jsonld and meta; or jmespath after css or xpath.

    Attributes:
        css: CSS selector; `::text` and `::attr(name)` as in parsel.
        xpath: XPath 1.0 expression.
        jmespath: JMESPath expression: into the page where that is JSON, into the item where that came from
            JSON, or into the JSON text that css or xpath finds.
        jsonld: a type and its properties in the page's JSON-LD: `Product.offers.price`.
        meta: `<meta>` by its property, name, itemprop or http-equiv: `og:title`, `description`.
        re: regular expression searched in the text found; its group, or all it matches, is the value.
    """

    model_config = ConfigDict(frozen=True)

    css: Css | None = None
    xpath: XPath | None = None
    jmespath: JmesPath | None = None
    jsonld: JsonLd | None = None
    meta: Meta | None = None
    re: Pattern | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if not self.is_one_place():
            raise ValueError("exactly one of css, xpath, jmespath, jsonld and meta is needed")
        return self

    def is_one_place(self) -> bool:
        """Return whether it says exactly where to look."""
        given = [self.css, self.xpath, self.jmespath, self.jsonld, self.meta]
        count = sum(place is not None for place in given)
        embedded = self.jmespath is not None and (self.css is not None or self.xpath is not None)
        return count == (2 if embedded else 1)

    def selects_elements(self) -> bool:
        """Return whether css or xpath is given, which select in HTML and XML, and nothing in JSON."""
        return self.css is not None or self.xpath is not None

    def __str__(self) -> str:
        places = [self.css or self.xpath, self.jmespath]
        places += [
            f"jsonld {self.jsonld}" if self.jsonld else None,
            f"meta {self.meta}" if self.meta else None,
        ]
        return " | ".join(place for place in places if place is not None)


def _spelling(value: Any) -> str:  # noqa: ANN401 - whatever the author wrote
    return SHORT if isinstance(value, str) else LONG


#: A CSS selector, or a source written out.
Place = Annotated[Annotated[Css, Tag(SHORT)] | Annotated[Source, Tag(LONG)], Discriminator(_spelling)]


def source_of(place: str | Source) -> Source:
    """Return a place as a source."""
    return Source.model_construct(css=place) if isinstance(place, str) else place


class SimpleTransform(StrEnum):
    """What is done to each text and needs no more words."""

    STRIP = "strip"  #: white space at both ends goes
    NORMALISE_SPACE = "normalise_space"  #: and each run of it inside becomes one space
    LOWER = "lower"
    UPPER = "upper"


_Part = Annotated[str, Field(min_length=1, max_length=100)]


class Transform(BaseModel):
    """What is done to the texts. Exactly one of the three.

    Attributes:
        split: each text into its parts between this one.
        join: all texts into one, with this one between them.
        replace: each pair's first text, wherever it stands, by its second.
    """

    model_config = ConfigDict(frozen=True)

    split: _Part | None = None
    join: Annotated[str, Field(max_length=100)] | None = None
    replace: Annotated[dict[_Part, Annotated[str, Field(max_length=100)]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_deed(self) -> Self:
        if [self.split, self.join, self.replace].count(None) != 2:
            raise ValueError("exactly one of split, join and replace is needed")
        return self


AnyTransform = Annotated[
    Annotated[SimpleTransform, Tag(SHORT)] | Annotated[Transform, Tag(LONG)], Discriminator(_spelling)
]
Transforms = Annotated[tuple[AnyTransform, ...], Field(max_length=MAX_TRANSFORMS)]
Sources = Annotated[tuple[Source, ...], Field(max_length=MAX_SOURCES)]

_DIRECTIVES = frozenset("aAbBdfHIjmMpSTyYzZ%")
_DATE_PARTS = ({"Y", "y"}, {"m", "b", "B", "j"}, {"d", "j"})


def _check_format(text: str) -> str:
    directives = [after for before, after in pairwise(re.sub("%%", "", text) + " ") if before == "%"]
    unknown = sorted(set(directives) - _DIRECTIVES)
    if unknown:
        raise ValueError(f"not a date format: there is no %{unknown[0]}")
    if not all(part & set(directives) for part in _DATE_PARTS):
        raise ValueError("not a date format: year, month and day are needed, as in %d.%m.%Y")
    if len(directives) != len(set(directives)):
        raise ValueError("not a date format: something stands in it twice")
    return text


DateFormat = Annotated[str, Field(min_length=2, max_length=100), AfterValidator(_check_format)]
