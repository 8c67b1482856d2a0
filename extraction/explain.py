"""Extraction told aloud: for each field of each item, where its value came from, or why it has none. Pure."""

from typing import NamedTuple

from lxml import etree
from pydantic import JsonValue

from contract.fields import FieldType, Source
from contract.recipe import Recipe, RecipeField
from extraction.conversion_error import ConversionError
from extraction.document import Document, Json, Scope
from extraction.errors import ExtractionError
from extraction.extract import Extracted, Reader
from extraction.finding import find, text_of
from extraction.html import no_deadline
from extraction.page import PageContent

MAX_RAW_CHARACTERS = 200
MAX_FINDINGS = 10_000


class Finding(NamedTuple):
    """What one source gave for one field of one item.

    Attributes:
        item: its number, from 1; fields of objects in a list repeat.
        path: the field, `offers.price`.
        source: as the recipe has it.
        raw: what stood there, cut to a readable length; `""` where nothing did.
        value: what it was read as; None where it was not.
        why: why there is no value; `""` where there is one.
    """

    item: int
    path: str
    source: str
    raw: str
    value: JsonValue
    why: str


class Explained(NamedTuple):
    """What a page gave, as far as it came, where from, and what ended it (None: nothing)."""

    extracted: Extracted
    findings: list[Finding]
    error: ExtractionError | None


def explain(recipe: Recipe, page: PageContent) -> Explained:
    """Extract as the worker does, and keep account. Never raises for what the page or the recipe is."""
    try:
        reader = _Explainer(recipe, Document(page, recipe.markup, no_deadline))
    except ExtractionError as error:
        return Explained(Extracted([], []), [], error)
    try:
        return Explained(reader.extract(may_be_empty=False), reader.findings, None)
    except ExtractionError as error:
        return Explained(Extracted([], reader.warnings), reader.findings, error)


class _Explainer(Reader):
    """A reader that notes what each source gave."""

    def __init__(self, recipe: Recipe, document: Document) -> None:
        super().__init__(recipe, document, no_deadline)
        self.findings: list[Finding] = []
        self._number = 0
        self._path = ""

    def item(self, scope: Scope, fields: dict[str, RecipeField], path: str) -> dict[str, JsonValue]:
        self._number += not path
        return super().item(scope, fields, path)

    def field(self, scope: Scope, field: RecipeField, path: str) -> JsonValue:
        self._path = path
        return super().field(scope, field, path)

    def values(self, scope: Scope, field: RecipeField, source: Source) -> list[JsonValue]:
        try:
            values = super().values(scope, field, source)
        except ConversionError as wrong:
            self._note(scope, field, source, [], str(wrong))
            raise
        except (ValueError, RecursionError, etree.XPathError) as wrong:
            self._note(scope, field, source, [], f"the selector failed: {wrong}")
            raise
        self._note(scope, field, source, values, "" if values else self._why(scope, field, source))
        return values

    def _why(self, scope: Scope, field: RecipeField, source: Source) -> str:
        if isinstance(scope, Json) and source.selects_elements():
            return "css and xpath find nothing in JSON"
        of_page = (
            source.jmespath is not None and not source.selects_elements() and not isinstance(scope, Json)
        )
        if of_page and self.document.json is None:
            return "the page is no JSON"
        raw = self._raw(scope, field, source)
        if not raw:
            return "nothing matches"
        if raw.isspace():
            return "nothing but white space stands there"
        if source.re is not None:
            return f"what stands there does not match re {source.re}"
        return "the transforms leave nothing of what stands there"

    def _raw(self, scope: Scope, field: RecipeField, source: Source) -> str:
        try:
            found = next(iter(find(source, scope, self.document)), None)
        except (ValueError, RecursionError, etree.XPathError, ExtractionError):
            return ""
        return "" if found is None else text_of(found, as_html=field.type is FieldType.HTML)

    def _note(
        self, scope: Scope, field: RecipeField, source: Source, values: list[JsonValue], why: str
    ) -> None:
        if len(self.findings) < MAX_FINDINGS:
            value: JsonValue = None if not values else values if field.many else values[0]
            raw = self._raw(scope, field, source)[:MAX_RAW_CHARACTERS]
            self.findings.append(Finding(self._number, self._path, str(source), raw, value, why))
