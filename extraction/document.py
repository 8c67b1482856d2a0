"""A page as a document: its elements, its JSON, its metas. Each is read when it is first asked for. Pure."""

import re
from functools import cached_property
from html import escape, unescape
from typing import Any, NamedTuple, TypeAlias

from lxml import etree
from lxml.etree import _Element as Element
from pydantic import JsonValue
from w3lib.html import get_base_url

from contract.outcome import Reason
from contract.recipe import Markup
from extraction import cost, jsonld
from extraction.decoding import decode
from extraction.errors import ExtractionError
from extraction.html import CheckDeadline, parse_html
from extraction.json_text import NotJson, parse_json
from extraction.page import PageContent

_JSON_TYPE = re.compile(r"\s*(?:application|text)/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?!#\d{1,7};|#x[0-9a-fA-F]{1,6};)(?:(?P<name>\w{1,32});)?")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_META_NAMES = ("property", "name", "itemprop", "http-equiv")


class Json(NamedTuple):
    """A JSON value in which fields are sought, as in an element."""

    value: JsonValue


Scope: TypeAlias = Element | Json  #: where the fields of an item are sought


class Document:
    """A page, read as its recipe says.

    Args:
        page: as it was fetched.
        markup: how it is read where it is no JSON.
        check_deadline: called while it is read; raises where there is no time left.
    """

    def __init__(self, page: PageContent, markup: Markup, check_deadline: CheckDeadline) -> None:
        self.text = decode(page)
        self.is_xml = markup is Markup.XML
        self._page = page
        self._check_deadline = check_deadline

    @cached_property
    def root(self) -> Element:
        """The root element; that of an empty page where there is none."""
        text = self.text.strip().replace("\0", "")
        if self.is_xml:
            return _xml_root(text)
        # As HTML even if it starts with <?xml: read as XML, XHTML has no elements that a selector finds.
        return parse_html(text, self._check_deadline)

    @cached_property
    def scope(self) -> Scope:
        """Where the page's own fields are sought."""
        if not self.is_xml and _JSON_TYPE.match(self._page.content_type):
            return Json(self.json)
        return self.root

    @cached_property
    def json(self) -> JsonValue:
        """The page as JSON; None where it is none."""
        if not self.text.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')):
            return None
        try:
            return parse_json(self.text)
        except NotJson:
            return None

    @cached_property
    def base_url(self) -> str:
        """What relative URLs resolve against; a `<base>` that is no web address is ignored."""
        url = self._page.url
        if isinstance(self.scope, Json) or self.is_xml:
            return url
        try:
            base: str = get_base_url(self.text, url)
        except ValueError:
            return url
        return base if base.startswith(("http://", "https://")) else url

    @cached_property
    def metas(self) -> dict[str, list[str]]:
        """The contents of the page's metas by each of their names, in lower case."""
        found = dict[str, list[str]]()
        for meta in self.root.iter("meta"):
            names = {str(meta.get(name, "")).strip().lower() for name in _META_NAMES}
            for name in names - {""}:
                found.setdefault(name, []).append(meta.get("content") or "")
        return found

    @cached_property
    def _page_blocks(self) -> list[JsonValue]:
        return jsonld.blocks(self.root)

    def blocks(self, scope: Scope) -> list[JsonValue]:
        """Return the JSON-LD inside of a scope; the whole page's is read once."""
        if isinstance(scope, Json):
            return [scope.value]
        return self._page_blocks if scope is self.root else jsonld.blocks(scope)

    @cached_property
    def is_deep(self) -> bool:
        """Whether elements are nested as deep as only hostile pages have them."""
        return cost.is_deep(self.root)

    @cached_property
    def size(self) -> cost.Size:
        """How many elements there are, which some selectors compare each with each."""
        return cost.measure(self.root)

    def evaluate(self, expression: str, compiled: etree.XPath, scope: Element) -> Any:  # noqa: ANN401 - as XPath has it
        """Return what an XPath expression finds.

        Raises:
            ExtractionError: `too_large`, where it would take time out of all proportion.
        """
        if (price := cost.price_of(expression)) is not None:
            cost.check(expression, price, self.size)
        if cost.searches_twice(expression) and self.is_deep:
            raise ExtractionError(
                Reason.TOO_LARGE,
                f"elements nested {cost.MAX_DEPTH} deep, below which {expression} would search",
            )
        return compiled(scope)


def _xml_root(text: str) -> Element:
    # Strictly at first: where it has to recover, libxml2 drops each & that begins no entity it knows.
    root = _parsed_xml(text, recover=False)
    if root is None:
        root = _parsed_xml(mended(text), recover=True)
    if root is None:
        return etree.fromstring(b"<empty/>")
    # The namespace of names without a prefix goes: selectors name elements as the page does.
    for element in root.iter(etree.Element):
        if element.prefix is None and element.tag[0] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def _parsed_xml(text: str, *, recover: bool) -> Element | None:
    parser = etree.XMLParser(
        encoding="utf-8", recover=recover, resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def mended(text: str) -> str:
    """Return XML with what people write as in HTML made XML: `&nbsp;`, `a&b`; what is in CDATA stays."""
    parts = list[str]()
    while text:
        before, opening, text = text.partition("<![CDATA[")
        inside, closing, text = text.partition("]]>")
        parts += [_AMPERSAND.sub(_mended, before), opening, inside, closing]
    return "".join(parts)


def _mended(found: re.Match[str]) -> str:
    name = found["name"]
    if name is None:
        return "&amp;"
    character = unescape(f"&{name};")
    return found[0] if character[0] in "&<>\"'" and name in _XML_NAMES else escape(character)
