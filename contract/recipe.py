"""Recipes: what to extract from a page, as data."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from contract.faults import UnreadableRecipe, odd_values
from contract.fields import (
    DateFormat,
    Decimal,
    FieldType,
    Locale,
    Place,
    Source,
    Sources,
    Transforms,
    source_of,
)
from contract.selectors import SelectorChecks

MAX_FIELDS = 100  #: of a recipe, in all
MAX_NESTING = 5  #: fields inside fields
MAX_PAGES = 50
DEFAULT_PAGES = 10
_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
_FieldName = Annotated[str, Field(pattern=_NAME)]
#: What only a field that is a text, and no object, can have.
_OF_TEXTS = ("sources", "re", "type", "many", "transforms", "locale", "decimal", "format")


class Markup(StrEnum):
    """How a page that is no JSON is read."""

    HTML = "html"  #: as browsers do, XHTML and pages that begin with <?xml too
    XML = "xml"  #: as XML: feeds, sitemaps


class RecipeField(Source):
    """How one field of an item is found and read.

    Attributes:
        css: CSS selector; `::text` and `::attr(name)` as in parsel. Exactly one of css, xpath, jmespath,
            jsonld, meta and sources is needed; or jmespath after css or xpath.
        sources: several, tried in order until one yields a value.
        type: what the text is read as.
        many: all matches as a list, instead of the first.
        required: a page where it is missing has failed (`missing_field`).
        default: the value where nothing is found; JSON.
        transforms: what is done to the texts found, in order, before they are read.
        locale: whose habits numbers and dates follow.
        decimal: what stands before the decimals of a number, where no locale says it.
        format: how a date is written, in strptime's letters.
        fields: makes the field an object of these, sought in what css, xpath, jmespath or jsonld finds.
        items: with fields, a list of such objects: one for each match.
    """

    sources: Sources = ()
    type: FieldType = FieldType.TEXT
    many: bool = False
    required: bool = False
    default: JsonValue = None
    transforms: Transforms = ()
    locale: Locale | None = None
    decimal: Decimal | None = None
    format: DateFormat | None = None
    fields: Annotated[dict[_FieldName, "RecipeField"], Field(max_length=MAX_FIELDS)] = {}  # noqa: RUF012 - pydantic copies it
    items: Place | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.fields:
            self._check_object()
        elif self.items is not None:
            raise ValueError("items needs fields; a list of texts is many")
        else:
            self._check_text()
        if self.required and self.default is not None:
            raise ValueError("required and default exclude each other: a default is never missing")
        return self

    def _check_text(self) -> None:
        if not self.sources:
            if not self.is_one_place():
                raise ValueError("exactly one of css, xpath, jmespath, jsonld, meta and sources is needed")
        elif any(
            place is not None for place in (self.css, self.xpath, self.jmespath, self.jsonld, self.meta)
        ):
            raise ValueError("exactly one of css, xpath, jmespath, jsonld, meta and sources is needed")
        elif self.re is not None:
            raise ValueError("with sources, each source has its own re")
        of_dates = self.type in {FieldType.DATE, FieldType.DATETIME}
        if self.format is not None and not of_dates:
            raise ValueError("format is for dates; the type is none")
        if self.decimal is not None and self.type not in {FieldType.NUMBER, FieldType.INTEGER}:
            raise ValueError("decimal is for numbers; the type is none")

    def _check_object(self) -> None:
        given = [name for name in _OF_TEXTS if name in self.model_fields_set and getattr(self, name)]
        given = [name for name in given if (name, self.type) != ("type", FieldType.TEXT)]
        if given:
            raise ValueError(f"a field with fields is an object: it has no {' and no '.join(given)}")
        if self.meta is not None:
            raise ValueError("no object stands in a meta")
        if self.is_scope() and (self.items is not None or not self.is_one_place()):
            raise ValueError("an object stands in one place: css, xpath, jmespath, jsonld, or items for many")

    def is_scope(self) -> bool:
        """Return whether an object is sought in a place of its own."""
        return any(place is not None for place in (self.css, self.xpath, self.jmespath, self.jsonld))

    def in_order(self) -> tuple[Source, ...]:
        """Return the sources to try, in order."""
        return self.sources or (self,)


class Recipe(BaseModel):
    """What to extract from a page.

    Attributes:
        name: what the ledger groups by.
        markup: how a page that is no JSON is read: `html`, as browsers do, or `xml`.
        items: CSS selector of the elements that hold one item each, or a source; without it the page is one.
        fields: name → how to find it; at most 100, those inside others counted.
        next: CSS selector of the link to the next page, or a source; its pages belong to the same job.
        max_pages: how many pages of `next` one job takes.
    """

    model_config = ConfigDict(frozen=True)

    name: _FieldName
    markup: Markup = Markup.HTML
    items: Place | None = None
    fields: Annotated[dict[_FieldName, RecipeField], Field(min_length=1, max_length=MAX_FIELDS)]
    next: Place | None = None
    max_pages: Annotated[int, Field(ge=1, le=MAX_PAGES)] = DEFAULT_PAGES

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        depths = [depth for depth, _ in _all_fields(self.fields)]
        if len(depths) > MAX_FIELDS:
            raise ValueError(f"{len(depths)} fields in all; at most {MAX_FIELDS} are taken")
        if max(depths) > MAX_NESTING:
            raise ValueError(f"fields nested {max(depths)} deep; at most {MAX_NESTING}")
        if self.next is None and self.max_pages != DEFAULT_PAGES:
            raise ValueError("max_pages needs next, the link to follow")
        if isinstance(self.items, Source) and (self.items.meta is not None or self.items.re is not None):
            raise ValueError("items are places: css, xpath, jmespath or jsonld, without re")
        return self

    @classmethod
    def from_document(cls, document: dict[str, Any], selectors: SelectorChecks) -> Self:
        """Read a recipe from JSON values. People write recipes, so an unknown field is a fault: a typo.

        Args:
            document: the recipe as JSON values.
            selectors: reject the selectors that do not compile (`extraction.selectors.CHECKS`).

        Raises:
            UnreadableRecipe: with every fault, each naming its path (`fields.price.type: …`).
        """
        for fault in odd_values(document):
            raise UnreadableRecipe(b"", [fault])
        try:
            return cls.model_validate(document, extra="forbid", context=selectors)
        except ValidationError as wrong:
            raise UnreadableRecipe.from_validation(b"", wrong) from None

    def next_link(self) -> Source | None:
        """Return where the link to the next page stands."""
        return None if self.next is None else source_of(self.next)

    def to_json_dict(self) -> dict[str, Any]:
        """Return the recipe as it travels: JSON values, defaults left out.

        Left-out defaults keep the identity of jobs when a later version adds a field.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


def _all_fields(fields: dict[str, RecipeField], depth: int = 1) -> Iterator[tuple[int, RecipeField]]:
    for field in fields.values():
        yield depth, field
        yield from _all_fields(field.fields, depth + 1)
