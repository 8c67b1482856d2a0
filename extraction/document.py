"""Parses a page into elements, JSON and metas. Each of them is parsed when it is first used. Pure."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, TypeAlias

from lxml.etree import _Element as Element
from pydantic import JsonValue

from contract.recipe import Markup
from contract.urls import resolve_url
from extraction.decoding import decode
from extraction.html import parse_html
from extraction.json_text import InvalidJson, parse_json
from extraction.jsonld import JsonLd
from extraction.page import PageContent
from extraction.xml import parse_xml

_JSON_TYPE = re.compile(r"\s*(?:application|text)/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)
#: The ASCII characters that `str.strip` removes.
_ASCII_SPACE = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "
_META_NAMES = ("property", "name", "itemprop", "http-equiv")


class JsonNode(NamedTuple):
    """A JSON value in which fields are searched."""

    value: JsonValue


Node: TypeAlias = Element | JsonNode  #: the element or JSON value in which fields are searched


class Document:
    """A page that is parsed by the rules of its recipe.

    Args:
        page: the page.
        markup: how the page is parsed if it is not JSON.

    Attributes:
        text: the text of the page.
        is_xml: whether the recipe's markup is XML.
        check_deadline: the argument.

    Raises:
        ExtractionError: `charset`, if the page cannot be decoded.
    """

    def __init__(self, page: PageContent, markup: Markup) -> None:
        self.is_xml = markup is Markup.XML
        self.text, self.encoding = decode(page, is_xml=self.is_xml)
        self._page = page

    @cached_property
    def root(self) -> Element:
        """The root element; the root of an empty page if the page has no elements."""
        if self.is_xml:
            return parse_xml(self.text.strip().replace("\0", ""))
        # Parse as HTML even if the text starts with <?xml. If XHTML were parsed as XML, its elements would
        # have a namespace, and a recipe's selectors would not match them.
        return parse_html(self._stripped_utf_8().replace(b"\0", b""))

    def _stripped_utf_8(self) -> bytes:
        """Return the text in UTF-8, without white space at both ends.

        Most pages are UTF-8 already. To encode the text again would be a tenth of the time of parsing.
        """
        if self.encoding == "utf-8" and "\ufffd" not in self.text:
            body = self._page.body.removeprefix(BOM_UTF8).strip(_ASCII_SPACE)
            if (body[:1] + body[-1:]).isascii():
                return body
        return self.text.strip().encode("utf-8", "replace")

    @cached_property
    def top_node(self) -> Node:
        """The node in which fields are searched if they are not in an item: the JSON or the root element."""
        if not self.is_xml and _JSON_TYPE.match(self._page.content_type):
            return JsonNode(self.json)
        return self.root

    @cached_property
    def json(self) -> JsonValue:
        """The page's JSON value; None if the page is not JSON."""
        if not self.text.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')):
            return None
        try:
            return parse_json(self.text)
        except InvalidJson:
            return None

    @cached_property
    def base_url(self) -> str:
        """The URL that relative URLs are resolved against: the http(s) URL of `<base>`, or the page's URL."""
        url = self._page.url
        if isinstance(self.top_node, JsonNode) or self.is_xml:
            return url
        base = next((each.get("href") for each in self.root.iter("base") if each.get("href") is not None), "")
        try:
            resolved = resolve_url(url, base, self.encoding) if base else url
        except ValueError:
            return url
        return resolved if resolved.startswith(("http://", "https://")) else url

    @cached_property
    def metas(self) -> dict[str, list[str]]:
        """For each name of a `<meta>`, in lower case, the contents of all metas with this name."""
        metas = dict[str, list[str]]()
        for meta in self.root.iter("meta"):
            names = {str(meta.get(name, "")).strip().lower() for name in _META_NAMES}
            for name in names - {""}:
                metas.setdefault(name, []).append(meta.get("content") or "")
        return metas

    @cached_property
    def json_ld(self) -> JsonLd:
        """The JSON-LD of the page."""
        if isinstance(self.top_node, JsonNode):
            return JsonLd(None, self.base_url, [self.top_node.value])
        return JsonLd(self.root, self.base_url)

    @property
    def faults(self) -> list[str]:
        """Sentences about parts of the page that could not be read; of JSON-LD only if it was searched."""
        return self.json_ld.faults if "json_ld" in self.__dict__ else []

    def find_json_ld(self, path: str, node: Node) -> Iterator[JsonValue]:
        """Yield the values of a path into JSON-LD inside a node (`JsonLd.find`)."""
        values = [node.value] if isinstance(node, JsonNode) else self.json_ld.blocks(node)
        return self.json_ld.find(path, values)
