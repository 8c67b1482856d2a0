"""Extraction: a recipe and a page in, items out. Pure: it never fetches."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from lxml import etree
from parsel import Selector
from pydantic import JsonValue
from w3lib.encoding import html_to_unicode
from w3lib.html import get_base_url

from contract.outcome import Reason
from contract.recipe import FieldType, Recipe, RecipeField, css_to_xpath
from worker.ending import Ended
from worker.page import Page
from worker.values import NotOfType, read

MAX_ITEMS = 10_000


class Extracted(NamedTuple):
    """What a page gave.

    Attributes:
        items: one dictionary an item, every field of the recipe in each.
        remarks: optional fields whose text was not of their type, for people.
    """

    items: list[dict[str, JsonValue]]
    remarks: list[str]


def extract(recipe: Recipe, page: Page) -> Extracted:
    """Return the items that `recipe` finds on `page`.

    Raises:
        Ended: `missing_field`, `bad_value` (each names the field), `charset`, `bad_recipe` or `too_large`.
    """
    text = decode(page)
    # Told that it is HTML, since parsel reads a page that starts with <?xml as XML and then finds nothing.
    root = Selector(text=text, type="html")
    reader = _Reader(recipe, get_base_url(text, page.url), [])
    try:
        items = [reader.item(node) for node in _item_nodes(root, recipe)]
    except (ValueError, etree.XPathError) as wrong:
        raise Ended(Reason.BAD_RECIPE, f"a selector of {recipe.name} failed: {wrong}") from None
    if recipe.items is not None and not items and any(field.required for field in recipe.fields.values()):
        raise Ended(Reason.MISSING_FIELD, f"no item on the page: nothing matches items ({recipe.items})")
    return Extracted(items, reader.remarks)


def decode(page: Page) -> str:
    """Return the page's text by BOM, header, meta, then UTF-8 or Windows-1252.

    Raises:
        Ended: `charset`, where the encoding named is one that Python does not know how to read.
    """
    try:
        _, text = html_to_unicode(page.content_type, page.body, auto_detect_fun=_detect)
    except (LookupError, UnicodeError) as wrong:
        raise Ended(Reason.CHARSET, f"{page.content_type}: {wrong}") from None
    return text


def _detect(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"  # what browsers fall back to for western pages (WHATWG Encoding)
    return "utf-8"


def _item_nodes(root: Selector, recipe: Recipe) -> list[Selector]:
    if recipe.items is None:
        return [root]
    nodes = list(root.xpath(css_to_xpath(recipe.items)))
    if len(nodes) > MAX_ITEMS:
        raise Ended(Reason.TOO_LARGE, f"{len(nodes)} items on the page; at most {MAX_ITEMS} are taken")
    return nodes


class _Reader(NamedTuple):
    recipe: Recipe
    base_url: str
    remarks: list[str]

    def item(self, node: Selector) -> dict[str, JsonValue]:
        return {name: self._field(node, name, field) for name, field in self.recipe.fields.items()}

    def _field(self, node: Selector, name: str, field: RecipeField) -> JsonValue:
        texts = list(_texts(node, field))
        try:
            values: list[JsonValue] = [
                read(text, field.type, self.base_url) for text in (texts if field.many else texts[:1])
            ]
        except NotOfType as wrong:
            if field.required:
                raise Ended(Reason.BAD_VALUE, f"{name}: {wrong}") from None
            self.remarks.append(f"{name}: {wrong}")
            return field.default
        if values:
            return values if field.many else values[0]
        if field.required:
            where = field.css if field.css is not None else field.xpath
            raise Ended(Reason.MISSING_FIELD, f"{name}: nothing on the page matches {where}")
        return [] if field.many and field.default is None else field.default


def _texts(node: Selector, field: RecipeField) -> Iterator[str]:
    """Yield the texts that a field's selector and pattern find, those of nothing but space left out."""
    for found in node.xpath(field.selector()):
        text = str(found.get()) if field.type is FieldType.HTML else _text(found)
        if field.re is not None:
            match = _pattern(field.re).search(text)
            text = "" if match is None else match[match.re.groups] or ""
        if text and not text.isspace():
            yield text


def _text(found: Selector) -> str:
    root = found.root
    if isinstance(root, etree._Element):  # noqa: SLF001 - lxml's public type has this name
        return "".join(root.itertext())
    return str(found.get())


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
