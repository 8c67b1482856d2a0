"""Extraction: a recipe and a page in, items out. Pure: it never fetches."""

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from lxml import etree
from pydantic import JsonValue

from contract.fields import FieldType, Source, as_source
from contract.outcome import Reason
from contract.recipe import Recipe, RecipeField
from extraction.conversion_error import ConversionError
from extraction.document import Document, Json, Scope
from extraction.errors import ExtractionError
from extraction.finding import link, scopes, texts
from extraction.html import CheckDeadline, no_deadline
from extraction.json_text import text_of_json
from extraction.page import PageContent
from extraction.transforms import transform
from extraction.values import Value, read, read_number

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS = 10_000
MAX_WARNINGS = 100
MAX_CHARACTERS = 8 * 1024 * 1024  #: of all values of a page, as an outcome has room for half of it
VALUE_CHARACTERS = 16  #: that a value counts for beside its text


class Extracted(NamedTuple):
    """What a page gave.

    Attributes:
        items: one dictionary an item, every field of the recipe in each.
        remarks: optional fields whose text was not of their type, for people.
        next_url: where the recipe's `next` leads, absolute and unchecked; `""` where there is none.
    """

    items: list[dict[str, JsonValue]]
    warnings: list[str]
    next_url: str = ""


def extract(
    recipe: Recipe,
    page: PageContent,
    check_deadline: CheckDeadline = no_deadline,
    *,
    may_be_empty: bool = False,
) -> Extracted:
    """Return the items that `recipe` finds on `page`.

    Args:
        recipe: what to find.
        page: as it was fetched.
        check_deadline: called between items and pieces of the page; what it raises ends the extraction.
        may_be_empty: whether a list page without items is none that lacks a required field.

    Raises:
        ExtractionError: `missing_field`, `bad_value` (each names the field), `charset`, `bad_recipe`,
            `too_large`.
    """
    return Reader(recipe, Document(page, recipe.markup, check_deadline), check_deadline).extract(
        may_be_empty=may_be_empty
    )


class Reader:
    """Reads one page by one recipe.

    Args:
        recipe: what to find.
        document: the page.
        check_deadline: see `extract`.
    """

    def __init__(self, recipe: Recipe, document: Document, check_deadline: CheckDeadline) -> None:
        self.recipe = recipe
        self.document = document
        self.warnings: list[str] = []
        self.base_url = document.base_url
        self._check_deadline = check_deadline
        self._characters = 0

    def extract(self, *, may_be_empty: bool) -> Extracted:
        """Return all that the page gives; see the function of this name."""
        try:
            items = [self.item(scope, self.recipe.fields, "") for scope in self._item_scopes()]
            next_url = self._next_url()
        except (ValueError, RecursionError, etree.XPathError) as wrong:
            raise ExtractionError(
                Reason.BAD_RECIPE, f"a selector of {self.recipe.name} failed: {wrong}"
            ) from None
        required = any(field.required for field in self.recipe.fields.values())
        if self.recipe.items is not None and not items and required and not may_be_empty:
            where = as_source(self.recipe.items)
            raise ExtractionError(
                Reason.MISSING_FIELD, f"no item on the page: nothing matches items ({where})"
            )
        return Extracted(items, self.warnings, next_url)

    def item(self, scope: Scope, fields: dict[str, RecipeField], path: str) -> dict[str, JsonValue]:
        """Return the fields found in one place."""
        self._check_deadline()
        return {name: self.field(scope, field, path + name) for name, field in fields.items()}

    def field(self, scope: Scope, field: RecipeField, path: str) -> JsonValue:
        """Return one field's value, or what stands for it where it has none."""
        if field.fields:
            return self._object(scope, field, path)
        fault: ConversionError | None = None
        for source in field.sources or (field,):
            try:
                values = self.values(scope, field, source)
            except ConversionError as wrong:
                fault = fault or wrong
                continue
            if values:
                return values if field.many else values[0]
        if fault is None:
            return self._missing(field, path)
        if field.required:
            raise ExtractionError(Reason.BAD_VALUE, f"{path}: {fault}")
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{path}: {fault}")
        return field.default

    def values(self, scope: Scope, field: RecipeField, source: Source) -> list[JsonValue]:
        """Return what one source gives, read as the field's type: one value at most, where it is not `many`.

        Raises:
            ConversionError: where a text is not of the type.
        """
        found: Iterator[str | Json] = texts(
            source, scope, self.document, as_html=field.type is FieldType.HTML
        )
        if field.transforms:
            whole = (each if isinstance(each, str) else text_of_json(each.value) for each in found)
            found = (text for text in transform(whole, field.transforms) if text and not text.isspace())
        return [self._read(each, field) for each in (found if field.many else islice(found, 1))]

    def _read(self, found: str | Json, field: RecipeField) -> Value:
        value = read(found, field, self.base_url) if isinstance(found, str) else self._read_json(found, field)
        self._characters += VALUE_CHARACTERS + (len(value) if isinstance(value, str) else 0)
        if self._characters > MAX_CHARACTERS:
            raise ExtractionError(
                Reason.TOO_LARGE, f"the values have more than {MAX_CHARACTERS} characters together"
            )
        return value

    def _read_json(self, found: Json, field: RecipeField) -> Value:
        number = found.value
        value = read_number(number, field) if isinstance(number, int | float) else None
        return read(text_of_json(number), field, self.base_url) if value is None else value

    def _object(self, scope: Scope, field: RecipeField, path: str) -> JsonValue:
        if field.items is not None:
            found = self._bounded(scopes(as_source(field.items), scope, self.document))
        else:
            found = scopes(field, scope, self.document)[:1] if field.has_own_node() else [scope]
        if not found:
            return self._missing(field, path)
        objects: list[JsonValue] = [self.item(each, field.fields, f"{path}.") for each in found]
        return objects if field.items is not None else objects[0]

    def _missing(self, field: RecipeField, path: str) -> JsonValue:
        if field.required:
            places = [as_source(field.items)] if field.items is not None else field.sources_in_order()
            where = ", nor ".join(map(str, places))
            raise ExtractionError(Reason.MISSING_FIELD, f"{path}: nothing on the page matches {where}")
        is_list = field.many or field.items is not None
        return [] if is_list and field.default is None else field.default

    def _item_scopes(self) -> list[Scope]:
        if self.recipe.items is None:
            return [self.document.scope]
        return self._bounded(scopes(as_source(self.recipe.items), self.document.scope, self.document))

    def _bounded(self, found: list[Scope]) -> list[Scope]:
        if len(found) > MAX_ITEMS:
            raise ExtractionError(
                Reason.TOO_LARGE, f"{len(found)} items on the page; at most {MAX_ITEMS} are taken"
            )
        return found

    def _next_url(self) -> str:
        source = self.recipe.next_source()
        target = None if source is None else link(source, self.document)
        return "" if target is None else urljoin(self.base_url, target)
