"""Defines recipes, which describe as data what to extract from a page.

The package `extraction` applies recipes to pages.
"""

import json
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from contract.faults import UnreadableRecipe, unsupported_values
from contract.fields import (
    AlternativeSources,
    CssOrSource,
    DateFormat,
    DecimalSeparator,
    FieldType,
    Locale,
    Source,
    Transforms,
    as_source,
)
from contract.selectors import SelectorChecks

MAX_FIELDS = 100  #: maximum number of fields of a recipe, including fields inside other fields
MAX_NESTING = 5  #: maximum number of levels of fields inside fields
MAX_PAGES = 1000
DEFAULT_PAGES = 10
MAX_SHARED_CHARACTERS = (
    16 * 1024
)  #: a longer recipe is not kept, so that those that are kept take 1 MiB of text
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
_FieldName = Annotated[str, Field(pattern=_NAME)]
#: Keys that only a field without `fields` can have.
_TEXT_ONLY = ("sources", "re", "type", "many", "transforms", "locale", "decimal", "format")
_DOCUMENTED = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Markup(StrEnum):
    """How a page that is not JSON is parsed."""

    HTML = "html"  #: as browsers parse HTML, even XHTML and pages that begin with <?xml
    XML = "xml"  #: as XML, for feeds and sitemaps


class RecipeField(Source):
    """How one field of an item is found and converted.

    A field without `fields` needs exactly one of css, xpath, jmespath, jsonld, meta and sources, or jmespath
    together with css or xpath.
    """

    model_config = _DOCUMENTED

    sources: AlternativeSources = ()
    """Sources that are tried in order until one finds a value."""
    type: FieldType = FieldType.TEXT
    """The type that the text is converted to."""
    many: bool = False
    """Whether the value is a list of all matches instead of the first match."""
    required: bool = False
    """Whether the job fails (`missing_field`) if this field is not found."""
    default: JsonValue = None
    """JSON value of the field if nothing is found."""
    transforms: Transforms = ()
    """Transforms of the selected texts, applied in order before the conversion."""
    locale: Locale | None = None
    """Language and country whose conventions numbers and dates follow."""
    decimal: DecimalSeparator | None = None
    """Decimal separator of a number; it overrides that of the locale."""
    format: DateFormat | None = None
    """Format of a date, in strptime's directives: `%d.%m.%Y`."""
    fields: Annotated[dict[_FieldName, "RecipeField"], Field(max_length=MAX_FIELDS)] = {}  # noqa: RUF012 - pydantic copies the default
    """Makes the field an object of these fields, which are searched inside the node that css, xpath, jmespath
    or jsonld selects."""
    items: CssOrSource | None = None
    """With fields, makes the field a list of such objects, one for each match."""

    @model_validator(mode="after")
    def _check_selectors(self) -> Self:
        if self.fields:
            self._check_object()
        elif self.items is not None:
            raise ValueError("items needs fields; for a list of texts, use many")
        else:
            self._check_text()
        if self.required and self.default is not None:
            raise ValueError(
                "required and default exclude each other: a field with a default is never missing"
            )
        return self

    def _check_text(self) -> None:
        given = [self.css, self.xpath, self.jmespath, self.jsonld, self.meta]
        has_selector = any(selector is not None for selector in given)
        if has_selector if self.sources else not self.has_one_selector():
            raise ValueError("exactly one of css, xpath, jmespath, jsonld, meta and sources is needed")
        if self.sources and self.re is not None:
            raise ValueError("with sources, each source has its own re")
        is_date = self.type in {FieldType.DATE, FieldType.DATETIME}
        if self.format is not None and not is_date:
            raise ValueError("format is for dates; the type is not date or datetime")
        if self.decimal is not None and self.type not in {FieldType.NUMBER, FieldType.INTEGER}:
            raise ValueError("decimal is for numbers; the type is not number or integer")

    def _check_object(self) -> None:
        given = [name for name in _TEXT_ONLY if name in self.model_fields_set and getattr(self, name)]
        given = [name for name in given if (name, self.type) != ("type", FieldType.TEXT)]
        if given:
            raise ValueError(f"a field with fields is an object: it has no {' and no '.join(given)}")
        if self.meta is not None:
            raise ValueError("meta gives texts; an object needs css, xpath, jmespath or jsonld")
        if self.has_own_node() and (self.items is not None or not self.has_one_selector()):
            raise ValueError("an object has one of css, xpath, jmespath and jsonld; for a list, only items")

    def has_own_node(self) -> bool:
        """Return whether the field has its own selector of the node in which its fields are searched."""
        return any(selector is not None for selector in (self.css, self.xpath, self.jmespath, self.jsonld))

    def sources_in_order(self) -> tuple[Source, ...]:
        """Return the sources to try, in order."""
        return self.sources or (self,)


class Recipe(BaseModel):
    """What to extract from a page."""

    model_config = _DOCUMENTED

    name: _FieldName
    """Name of the recipe, by which the ledger groups."""
    markup: Markup = Markup.HTML
    """How a page that is not JSON is parsed: `html`, as browsers do, or `xml`."""
    items: CssOrSource | None = None
    """CSS selector, or a source, of the nodes that contain one item each. If it is missing, the page is one
    item."""
    fields: Annotated[dict[_FieldName, RecipeField], Field(min_length=1, max_length=MAX_FIELDS)]
    """Name of each field → how to find it; at most 100, including fields inside other fields."""
    next: CssOrSource | None = None
    """CSS selector, or a source, of the link to the next page. Each page that is reached by this link is a
    job of its own in the same run, and belongs to the listing of the first page."""
    max_pages: Annotated[int, Field(ge=1, le=MAX_PAGES)] = DEFAULT_PAGES
    """Maximum number of pages of one listing that are reached by following `next`, including the first
    page."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        depths = [depth for depth, _ in _all_fields(self.fields)]
        if len(depths) > MAX_FIELDS:
            raise ValueError(f"the recipe has {len(depths)} fields; the maximum is {MAX_FIELDS}")
        if max(depths) > MAX_NESTING:
            raise ValueError(f"fields are nested {max(depths)} levels deep; the maximum is {MAX_NESTING}")
        if self.next is None and self.max_pages != DEFAULT_PAGES:
            raise ValueError("max_pages needs next, the link to follow")
        if isinstance(self.items, Source) and (self.items.meta is not None or self.items.re is not None):
            raise ValueError("items selects nodes: css, xpath, jmespath or jsonld, without re")
        return self

    @classmethod
    def from_document(cls, document: dict[str, Any], selectors: SelectorChecks) -> Self:
        """Read a recipe from JSON values.

        People write recipes, so an unknown field is rejected: it is probably a typo.

        Args:
            document: the recipe as JSON values.
            selectors: functions that check that the selectors compile (`extraction.selectors.CHECKS`).

        Raises:
            UnreadableRecipe: the recipe is invalid; the exception lists every fault with its path
                (for example `fields.price.type: …`).
        """
        for fault in unsupported_values(document):
            raise UnreadableRecipe(b"", [fault])
        try:
            return cls.model_validate(document, extra="forbid", context=selectors)
        except ValidationError as error:
            raise UnreadableRecipe.from_validation(b"", error, cls) from None

    def next_source(self) -> Source | None:
        """Return the source of the link to the next page; None if the recipe has no `next`."""
        return None if self.next is None else as_source(self.next)

    def to_json_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values, without fields that have their default value.

        Defaults are left out so that a job keeps its id when a later version adds a field.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


@lru_cache(maxsize=64)
def _shared_recipe(text: str, selectors: SelectorChecks | None) -> Recipe:
    return Recipe.model_validate(json.loads(text), context=selectors)


def shared_recipe(text: str, selectors: SelectorChecks | None = None) -> Recipe:
    """Return the recipe of a JSON text; the recipes of the last texts are kept, and must not be changed.

    All jobs of a run have the same recipe, and to validate it is most of the work of decoding a job.

    Args:
        text: the recipe as JSON, which has been checked by `parse_json_object`.
        selectors: see `Job.decode`.

    Raises:
        ValidationError: if it is not a recipe.
    """
    shared = _shared_recipe if len(text) <= MAX_SHARED_CHARACTERS else _shared_recipe.__wrapped__
    return shared(text, selectors)


def _all_fields(fields: dict[str, RecipeField], depth: int = 1) -> Iterator[tuple[int, RecipeField]]:
    for field in fields.values():
        yield depth, field
        yield from _all_fields(field.fields, depth + 1)
