"""Extracts the items of a page by a recipe. Pure: it never fetches."""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree
from pydantic import JsonValue

from contract.fields import Source, as_source
from contract.outcome import Reason
from contract.recipe import Recipe, RecipeField
from contract.urls import resolve_url
from extraction.document import Document, JsonNode, Node
from extraction.errors import BadRecipe, ConversionError, ExtractionError
from extraction.json_text import json_to_text
from extraction.page import PageContent
from extraction.selection import select_link, select_nodes, select_texts, text_form
from extraction.transforms import transform
from extraction.values import Value, converter, read, read_number

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ITEMS = 10_000
MAX_WARNINGS = 100
#: Maximum number of characters of all values of a page. It is twice the maximum size of a job's items in an
#: outcome (4 MiB).
MAX_CHARACTERS = 8 * 1024 * 1024
#: Number of characters that are counted for each value in addition to its text, so that many empty values are
#: limited, too.
VALUE_CHARACTERS = 16


#: Receives what is extracted next, in a few words: the path of a field, `items`, `next` or `the page`.
Note = Callable[[str], None]


def no_note(text: str) -> None:
    """Ignore the text."""
    del text


class Extracted(NamedTuple):
    """The result of applying a recipe to a page.

    Attributes:
        items: one dictionary per item, with every field of the recipe.
        warnings: sentences about optional fields whose text could not be converted, or which are null because
            nothing matches, and about JSON-LD that could not be read.
        next_url: the absolute URL of the link that the recipe's `next` selects, not validated; `""` if there
            is no such link.
    """

    items: list[dict[str, JsonValue]]
    warnings: list[str]
    next_url: str = ""


def extract(
    recipe: Recipe,
    page: PageContent,
    *,
    may_be_empty: bool = False,
    note: Note = no_note,
) -> Extracted:
    """Return the items that `recipe` finds on `page`.

    Args:
        recipe: the recipe.
        page: the page, as fetched.
        may_be_empty: whether a page without items is accepted even if the recipe has required fields. True
            for further pages of a list.
        note: called with what is extracted next, in a few words.

    Raises:
        ExtractionError: `missing_field` or `bad_value` (the detail names the field), `charset`,
            `bad_recipe`, or `too_large`.
    """
    return Reader(recipe, Document(page, recipe.markup), note).extract(may_be_empty=may_be_empty)


class Reader:
    """Applies one recipe to one page.

    Args:
        recipe: the recipe.
        document: the page.
        note: see `extract`.

    Attributes:
        warnings: sentences about optional fields whose text could not be converted, at most `MAX_WARNINGS`.
        base_url: the URL that relative URLs are resolved against.
    """

    def __init__(self, recipe: Recipe, document: Document, note: Note = no_note) -> None:
        self.recipe = recipe
        self.document = document
        self.warnings: list[str] = []
        self._note = note
        note("the page")
        self.base_url = document.base_url
        self._characters = 0
        self._evaluated = Counter[str]()  # for each field, how often its value was searched
        self._missing_values = Counter[tuple[str, str]]()  # how often it was null; with its sources

    def extract(self, *, may_be_empty: bool) -> Extracted:
        """Return the result of the recipe; the arguments and errors are those of the function `extract`."""
        try:
            items = [self.item(node, self.recipe.fields, "") for node in self._item_nodes()]
            next_url = self._next_url()
        except (BadRecipe, etree.XPathError) as error:
            raise ExtractionError(
                Reason.BAD_RECIPE, f"a selector of {self.recipe.name} failed: {error}"
            ) from None
        required = any(field.required for field in self.recipe.fields.values())
        if self.recipe.items is not None and not items and required and not may_be_empty:
            where = as_source(self.recipe.items)
            raise ExtractionError(
                Reason.MISSING_FIELD, f"no item on the page: nothing matches items ({where})"
            )
        return Extracted(items, self.all_warnings(), next_url)

    def all_warnings(self) -> list[str]:
        """Return the warnings: parts of the page that are not read, texts not converted, values not found."""
        missing = [
            f"{path}: null in {count} of {self._evaluated[path]}, because nothing matches {where}"
            for (path, where), count in self._missing_values.items()
        ]
        return [*self.document.faults, *self.warnings, *missing]

    def item(self, node: Node, fields: dict[str, RecipeField], path: str) -> dict[str, JsonValue]:
        """Return the values of `fields` in a node."""
        return {name: self.field(node, field, path + name) for name, field in fields.items()}

    def field(self, node: Node, field: RecipeField, path: str) -> JsonValue:
        """Return the value of a field in a node, or the field's default if there is no value.

        Raises:
            ExtractionError: `missing_field` or `bad_value`, if the field is required and there is no value.
        """
        self._evaluated[path] += 1
        self._note(path)
        if field.fields:
            return self._object(node, field, path)
        first_error: ConversionError | None = None
        for source in field.sources or (field,):
            try:
                values = self.values(node, field, source)
            except ConversionError as error:
                first_error = first_error or error
                continue
            if values:
                return values if field.many else values[0]
        if first_error is None:
            return self._missing(field, path)
        if field.required:
            raise ExtractionError(Reason.BAD_VALUE, f"{path}: {first_error}")
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{path}: {first_error}")
        return field.default

    def values(self, node: Node, field: RecipeField, source: Source) -> list[JsonValue]:
        """Return the converted values of one source; at most one value unless the field is `many`.

        Raises:
            ConversionError: if a text cannot be converted to the field's type.
        """
        form = text_form(field, source, self.document)
        matches: Iterable[str | JsonNode] = select_texts(source, node, self.document, form)
        if field.transforms:
            texts = (each if isinstance(each, str) else json_to_text(each.value) for each in matches)
            transformed = transform(texts, field.transforms)
            matches = (text for text in transformed if text and not text.isspace())
        return self._read_all(matches if field.many else islice(matches, 1), field)

    def _read_all(self, matches: "Iterable[str | JsonNode]", field: RecipeField) -> list[JsonValue]:
        convert = converter(field, self.base_url, self.document.encoding)
        characters = self._characters
        values: list[JsonValue] = []
        for match in matches:
            value = convert(match) if isinstance(match, str) else self._read_json(match, field)
            characters += VALUE_CHARACTERS + (len(value) if isinstance(value, str) else 0)
            if characters > MAX_CHARACTERS:
                raise ExtractionError(
                    Reason.TOO_LARGE, f"the values have more than {MAX_CHARACTERS} characters together"
                )
            values.append(value)
        self._characters = characters
        return values

    def _read_json(self, match: JsonNode, field: RecipeField) -> Value:
        number = match.value
        value = read_number(number, field) if isinstance(number, int | float) else None
        return read(json_to_text(number), field, self.base_url) if value is None else value

    def _object(self, node: Node, field: RecipeField, path: str) -> JsonValue:
        if field.items is not None:
            nodes = self._bounded(select_nodes(as_source(field.items), node, self.document))
        else:
            nodes = select_nodes(field, node, self.document)[:1] if field.has_own_node() else [node]
        if not nodes:
            return self._missing(field, path)
        objects: list[JsonValue] = [self.item(each, field.fields, f"{path}.") for each in nodes]
        return objects if field.items is not None else objects[0]

    def _missing(self, field: RecipeField, path: str) -> JsonValue:
        sources = [as_source(field.items)] if field.items is not None else field.sources_in_order()
        if field.required:
            where = ", nor ".join(map(str, sources))
            faults = "".join(f"; {fault}" for fault in self.document.faults[:1])
            raise ExtractionError(
                Reason.MISSING_FIELD, f"{path}: nothing on the page matches {where}{faults}"
            )
        if field.default is not None:
            return field.default
        if field.many or field.items is not None:
            return []
        self._missing_values[path, ", nor ".join(map(str, sources))] += 1
        return None

    def _item_nodes(self) -> list[Node]:
        top_node = self.document.top_node
        if self.recipe.items is None:
            return [top_node]
        self._note("items")
        return self._bounded(select_nodes(as_source(self.recipe.items), top_node, self.document))

    def _bounded(self, nodes: list[Node]) -> list[Node]:
        if len(nodes) > MAX_ITEMS:
            raise ExtractionError(
                Reason.TOO_LARGE, f"{len(nodes)} items on the page; the maximum is {MAX_ITEMS}"
            )
        return nodes

    def _next_url(self) -> str:
        self._note("next")
        source = self.recipe.next_source()
        target = None if source is None else select_link(source, self.document)
        if target is None:
            return ""
        try:
            return resolve_url(self.base_url, target, self.document.encoding)
        except ValueError:
            return target  # the caller checks the URL, and reports why it is invalid
