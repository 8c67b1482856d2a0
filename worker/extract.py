"""Extraction: a recipe and a page in, items out. Pure: it never fetches."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element
from parsel import Selector
from pydantic import JsonValue
from w3lib.encoding import html_body_declared_encoding, html_to_unicode, http_content_type_encoding
from w3lib.html import get_base_url

from contract.outcome import Reason
from contract.recipe import FieldType, Recipe, RecipeField, compile_xpath, css_to_xpath
from worker.ending import Ended
from worker.page import Page
from worker.values import NotOfType, read

MAX_ITEMS = 10_000
# Codecs of Python's that no page is written in (https://encoding.spec.whatwg.org/#names-and-labels): punycode
# takes quadratic time, the escapes make characters that no UTF-8 can carry.
NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


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
    root = Selector(text=text, type="html").root
    reader = _Reader(recipe, _base_url(text, page), [])
    try:
        items = [reader.item(node) for node in _item_nodes(root, recipe)]
    except (ValueError, etree.XPathError, re.error) as wrong:
        raise Ended(Reason.BAD_RECIPE, f"a selector of {recipe.name} failed: {wrong}") from None
    if recipe.items is not None and not items and any(field.required for field in recipe.fields.values()):
        raise Ended(Reason.MISSING_FIELD, f"no item on the page: nothing matches items ({recipe.items})")
    return Extracted(items, reader.remarks)


def decode(page: Page) -> str:
    """Return the page's text by BOM, header, meta, then UTF-8 or Windows-1252.

    Raises:
        Ended: `charset`, where the encoding named is none that pages are written in.
    """
    named = {http_content_type_encoding(page.content_type), html_body_declared_encoding(page.body)}
    for encoding in sorted(name.replace("_", "-") for name in named if name):
        if encoding in NO_CHARSETS:
            raise Ended(Reason.CHARSET, f"the page says that it is {encoding}")
    try:
        _, text = html_to_unicode(page.content_type, page.body, auto_detect_fun=_detect)
    except (LookupError, UnicodeError) as wrong:
        raise Ended(Reason.CHARSET, f"{page.content_type}: {wrong}") from None
    return text


def _base_url(text: str, page: Page) -> str:
    """Return what relative URLs resolve against; a `<base>` that is no web address is ignored."""
    try:
        base: str = get_base_url(text, page.url)
    except ValueError:
        return page.url
    return base if base.startswith(("http://", "https://")) else page.url


def _detect(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"  # what browsers fall back to for western pages (WHATWG Encoding)
    return "utf-8"


def _item_nodes(root: Element, recipe: Recipe) -> list[Element]:
    if recipe.items is None:
        return [root]
    nodes = [node for node in _find(root, css_to_xpath(recipe.items)) if isinstance(node, Element)]
    if len(nodes) > MAX_ITEMS:
        raise Ended(Reason.TOO_LARGE, f"{len(nodes)} items on the page; at most {MAX_ITEMS} are taken")
    return nodes


class _Reader(NamedTuple):
    recipe: Recipe
    base_url: str
    remarks: list[str]

    def item(self, node: Element) -> dict[str, JsonValue]:
        return {name: self._field(node, name, field) for name, field in self.recipe.fields.items()}

    def _field(self, node: Element, name: str, field: RecipeField) -> JsonValue:
        texts = _texts(node, field)
        try:
            values: list[JsonValue] = [
                read(text, field.type, self.base_url) for text in (texts if field.many else islice(texts, 1))
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


def _texts(node: Element, field: RecipeField) -> Iterator[str]:
    """Yield the texts that a field's selector and pattern find, those of nothing but space left out."""
    for found in _find(node, field.selector()):
        text = _text(found, as_html=field.type is FieldType.HTML)
        if field.re is not None:
            match = _pattern(field.re).search(text)
            text = "" if match is None else match[match.re.groups] or ""
        if text and not text.isspace():
            yield text


def _find(node: Element, expression: str) -> list[object]:
    # Straight to lxml with compiled expressions: a parsel Selector for each match was half of the work.
    found = compile_xpath(expression)(node)
    return found if isinstance(found, list) else [found]


def _text(found: object, *, as_html: bool) -> str:
    if not isinstance(found, Element):
        return str(found)
    if as_html:
        return str(etree.tostring(found, method="html", encoding="unicode", with_tail=False))
    return "".join(found.itertext())


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
