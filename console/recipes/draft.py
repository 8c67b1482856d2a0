"""Drafts a crawl from one page: only fields that the page really has, each tried as a worker would. Pure."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml
from pydantic import JsonValue

from console.recipes.draft_candidates import Candidate, candidates, table_candidates
from console.terminal import printable
from contract.faults import UnreadableRecipe
from contract.fields import FieldType
from contract.recipe import Markup, Recipe
from extraction.document import Document
from extraction.errors import ExtractionError
from extraction.explain import explain
from extraction.page import PageContent
from extraction.selectors import CHECKS

MAX_DRAFT_FIELDS = 40
MAX_SOURCES = 3  #: maximum number of sources of a drafted field
MAX_SAMPLE_CHARACTERS = 60
_NUMBER = re.compile(r"[£$€¥]?\s?-?\d[\d.,]*\s?[£$€¥%]?")
_ARTICLE_NUMBER = re.compile(r"0\d+|\d{12,}")  # it stays a text, with its zeros
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT.+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class DraftField(NamedTuple):
    """A field of a draft: its name, its keys in the recipe, and its value on the page."""

    name: str
    keys: dict[str, Any]
    value: JsonValue


def draft_fields(page: PageContent) -> list[DraftField]:
    """Return the fields that a page offers; none if it offers nothing, or cannot be read."""
    try:
        document = Document(page, Markup.HTML)
        found = dict[str, DraftField]()
        for candidate in candidates(document):
            if candidate.name and len(found) < MAX_DRAFT_FIELDS:
                _add(found, candidate, page)
        for candidate in table_candidates(document):
            if candidate.name not in found and (table := _tried_table(candidate, page)):
                found[candidate.name] = table
    except ExtractionError:
        return []
    return list(found.values())


def draft_crawl(url: str, fields: list[DraftField], made_from: str) -> str:
    """Return the YAML of a crawl of one page, with the value of each field as a comment.

    Args:
        url: URL of the page.
        fields: the fields; at least one.
        made_from: the URL or file that the draft was made from.
    """
    host = re.sub(r"[^a-z0-9]+", "-", (urlsplit(url).hostname or "").lower()).strip("-")
    name = host if host[:1].isalpha() else f"site-{host}".rstrip("-")
    lines = [
        f"# Drafted by `scrapeq init` from {printable(made_from)}, with the value of each field there.",
        "# Delete the fields that you do not need, and name the pages: docs/how-to/choose-the-pages.md.",
        f"name: {name[:60].rstrip('-')}",
        "sources:",
        "  urls:",
        f"    - {_flow(url)}",
        "recipe:",
        "  name: page",
        "  fields:",
    ]
    for field in fields:
        keys = field.keys | ({"required": True} if field.name == "title" else {})
        lines.append(f"    {field.name}: {_flow(keys)}  # {_sample(field.value)}")
    return "\n".join(lines) + "\n"


def _add(found: dict[str, DraftField], candidate: Candidate, page: PageContent) -> None:
    """Add a candidate as a field, or as one more source of the field that has the same value."""
    field = _tried(candidate, page)
    if field is None:
        return
    before = found.get(candidate.name)
    if before is None:
        found[candidate.name] = field
    elif before.value == field.value and before.keys.get("type") == field.keys.get("type"):
        sources = before.keys.get("sources") or [_without_type(before.keys)]
        if len(sources) < MAX_SOURCES and candidate.source not in sources:
            kind = {"type": field.keys["type"]} if "type" in field.keys else {}
            found[candidate.name] = DraftField(
                candidate.name, {"sources": [*sources, candidate.source], **kind}, field.value
            )


def _without_type(keys: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keys.items() if name != "type"}


def _tried(candidate: Candidate, page: PageContent) -> DraftField | None:
    """Return a field with the type that its text has; None if the page has no value for it."""
    text = _value(candidate.name, candidate.source, page)
    if text in {None, ""}:
        return None
    for kind in _types(str(text), is_link=candidate.is_link):
        keys = candidate.source | {"type": str(kind)}
        value = _value(candidate.name, keys, page)
        if value is not None:
            return DraftField(candidate.name, keys, value)
    return DraftField(candidate.name, candidate.source, text)


def _types(text: str, *, is_link: bool) -> Iterator[FieldType]:
    if is_link or re.fullmatch(r"https?://\S+", text):
        yield FieldType.URL
    if _DATETIME.fullmatch(text):
        yield FieldType.DATETIME
    if _DATE.fullmatch(text):
        yield FieldType.DATE
    if _NUMBER.fullmatch(text) and not _ARTICLE_NUMBER.fullmatch(text):
        yield FieldType.NUMBER


def _tried_table(candidate: Candidate, page: PageContent) -> DraftField | None:
    rows = _value(candidate.name, candidate.source, page)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        return None
    fields = dict(candidate.source["fields"])
    for name, text in rows[0].items():
        for kind in _types(str(text), is_link=False):
            fields[name] = candidate.source["fields"][name] | {"type": str(kind)}
            break
    typed = candidate.source | {"fields": fields}
    value = _value(candidate.name, typed, page)
    return DraftField(candidate.name, candidate.source if value is None else typed, value or rows)


def _value(name: str, keys: dict[str, Any], page: PageContent) -> JsonValue:
    """Return the value of a field on a page; None if it has none, or its text has not this type."""
    try:
        recipe = Recipe.from_document({"name": "draft", "fields": {name: keys}}, CHECKS)
    except UnreadableRecipe:
        return None
    explained = explain(recipe, page)
    warnings = [each for each in explained.extracted.warnings if not each.startswith("JSON-LD block")]
    if explained.error is not None or warnings or not explained.extracted.items:
        return None
    return explained.extracted.items[0].get(name)


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _sample(value: JsonValue) -> str:
    text = printable(f"{len(value)} rows" if isinstance(value, list) else str(value))
    return text if len(text) <= MAX_SAMPLE_CHARACTERS else text[: MAX_SAMPLE_CHARACTERS - 1] + "…"
