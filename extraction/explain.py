"""Extracts items and records, for each field, where its value came from or why it has no value. Pure."""

from typing import NamedTuple

from lxml import etree
from pydantic import JsonValue

from contract.fields import Source
from contract.recipe import Recipe, RecipeField
from extraction.document import Document, JsonNode, Node
from extraction.errors import BadRecipe, ConversionError, ExtractionError
from extraction.extract import Extracted, Reader
from extraction.page import PageContent
from extraction.selection import node_text, select, text_form

MAX_RAW_CHARACTERS = 200
MAX_FINDINGS = 10_000


class Finding(NamedTuple):
    """The result of one source for one field of one item.

    If a field is inside a list of objects, each object of an item has its own finding, with the same path.

    Attributes:
        item: number of the item, from 1.
        path: the field, for example `offers.price`.
        source: the source, as in the recipe.
        raw: the first selected text, cut to 200 characters; `""` if nothing was selected.
        value: the converted value; None if the source has no value.
        why: the reason why the source has no value; `""` if it has a value.
    """

    item: int
    path: str
    source: str
    raw: str
    value: JsonValue
    why: str


class Explained(NamedTuple):
    """The result of an extraction, with the findings.

    Attributes:
        extracted: the items; if the extraction failed, only the warnings.
        findings: the result of each source, until the extraction failed; at most 10,000.
        error: the reason why the extraction failed; None if the extraction succeeded.
    """

    extracted: Extracted
    findings: list[Finding]
    error: ExtractionError | None


def explain(recipe: Recipe, page: PageContent) -> Explained:
    """Extract like the worker, and record the result of each source.

    If the extraction fails, the error is returned and not raised.
    """
    try:
        reader = _Explainer(recipe, Document(page, recipe.markup))
    except ExtractionError as error:
        return Explained(Extracted([], []), [], error)
    try:
        return Explained(reader.extract(may_be_empty=False), reader.findings, None)
    except ExtractionError as error:
        return Explained(Extracted([], reader.all_warnings()), reader.findings, error)


class _Explainer(Reader):
    """A reader that records the result of each source."""

    def __init__(self, recipe: Recipe, document: Document) -> None:
        super().__init__(recipe, document)
        self.findings: list[Finding] = []
        self._number = 0
        self._path = ""

    def item(self, node: Node, fields: dict[str, RecipeField], path: str) -> dict[str, JsonValue]:
        self._number += not path
        return super().item(node, fields, path)

    def field(self, node: Node, field: RecipeField, path: str) -> JsonValue:
        self._path = path
        return super().field(node, field, path)

    def values(self, node: Node, field: RecipeField, source: Source) -> list[JsonValue]:
        try:
            values = super().values(node, field, source)
        except ConversionError as error:
            self._record(node, field, source, [], str(error))
            raise
        except (BadRecipe, etree.XPathError) as error:
            self._record(node, field, source, [], f"the selector failed: {error}")
            raise
        self._record(node, field, source, values, "" if values else self._why(node, field, source))
        return values

    def _why(self, node: Node, field: RecipeField, source: Source) -> str:
        if isinstance(node, JsonNode) and source.selects_elements():
            return "css and xpath select nothing in JSON"
        searches_page = source.jmespath is not None and not source.selects_elements()
        if searches_page and not isinstance(node, JsonNode) and self.document.json is None:
            return "the page is not JSON"
        raw = self._raw(node, field, source)
        if not raw:
            return "nothing matches"
        if raw.isspace():
            return "the selected text is only white space"
        if source.re is not None:
            return f"the selected text does not match re {source.re}"
        return "the selected text is empty after the transforms"

    def _raw(self, node: Node, field: RecipeField, source: Source) -> str:
        try:
            match = next(iter(select(source, node, self.document)), None)
        except (BadRecipe, etree.XPathError, ExtractionError):
            return ""
        return "" if match is None else node_text(match, text_form(field, source, self.document))

    def _record(
        self, node: Node, field: RecipeField, source: Source, values: list[JsonValue], why: str
    ) -> None:
        if len(self.findings) < MAX_FINDINGS:
            value: JsonValue = None if not values else values if field.many else values[0]
            raw = self._raw(node, field, source)[:MAX_RAW_CHARACTERS]
            self.findings.append(Finding(self._number, self._path, str(source), raw, value, why))
