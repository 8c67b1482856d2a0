"""Finds what a page says about itself: JSON-LD, metas, microdata, headings, tables and JSON. Pure.

Each finding is a candidate for a field of a recipe; `console/recipes/draft.py` tries the candidates.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from lxml.etree import _Element as Element
from pydantic import JsonValue

from extraction.document import Document, JsonNode

MAX_CANDIDATES = 150
MAX_TABLES = 5
MAX_COLUMNS = 20
MAX_LABEL_CHARACTERS = 60
#: Types of JSON-LD that describe the site or the page instead of its subject.
_ABOUT_THE_SITE = frozenset(
    {"BreadcrumbList", "Corporation", "ImageObject", "ListItem", "Organization", "SearchAction"}
    | {"SiteNavigationElement", "WebPage", "WebSite", "WPHeader", "WPFooter"}
)
#: Names of fields for metas, in the order in which they are tried.
_METAS = {
    "og:title": "title",
    "og:description": "description",
    "description": "description",
    "og:image": "image",
    "product:price:amount": "price",
    "og:price:amount": "price",
    "product:price:currency": "price_currency",
    "og:price:currency": "price_currency",
    "article:published_time": "date_published",
    "article:modified_time": "date_modified",
    "author": "author",
    "keywords": "keywords",
}
_TITLES = frozenset({"name", "headline"})
#: Properties whose own name is clear without that of the object around them.
_CLEAR = frozenset({"price", "priceCurrency", "availability", "ratingValue", "reviewCount", "ratingCount"})
_ATTRIBUTES = {"img": "src", "source": "src", "a": "href", "link": "href", "time": "datetime"}


class Candidate(NamedTuple):
    """A possible field.

    Attributes:
        name: name of the field.
        source: the keys of the recipe that say where its value is.
        is_link: whether its text is an address.
    """

    name: str
    source: dict[str, Any]
    is_link: bool = False


def candidates(document: Document) -> Iterator[Candidate]:
    """Yield the candidates of a page, the more reliable ones first."""
    if isinstance(document.top_node, JsonNode):
        yield from islice(_json_candidates(document.top_node.value), MAX_CANDIDATES)
        return
    root = document.root
    found = chain(_json_ld_candidates(document), _meta_candidates(document), _microdata_candidates(root))
    yield from islice(found, MAX_CANDIDATES)
    if root.find(".//h1") is not None:
        yield Candidate("title", {"css": "h1"})
    if root.find(".//title") is not None:
        yield Candidate("title", {"css": "title"})
    yield from islice(_label_candidates(root), MAX_CANDIDATES)


def table_candidates(document: Document) -> Iterator[Candidate]:
    """Yield a list of objects for each table with a row of headings."""
    if isinstance(document.top_node, JsonNode):
        return
    for number, table in enumerate(islice(document.root.iter("table"), MAX_TABLES), 1):
        first_row = next(table.iter("tr"), None)
        headings = [] if first_row is None else first_row.findall("th")
        names = [field_name(_text(heading)) or f"column_{i}" for i, heading in enumerate(headings, 1)]
        rows = [row for row in table.iter("tr") if row.find("td") is not None]
        if len(names) < 2 or not rows or len(set(names)) < len(names):
            continue
        fields = {name: {"xpath": f"*[{i}]"} for i, name in enumerate(names[:MAX_COLUMNS], 1)}
        name = field_name(table.get("id") or "") or ("rows" if number == 1 else f"rows_{number}")
        yield Candidate(name, {"items": {"xpath": f"(//table)[{number}]//tr[td]"}, "fields": fields})


def field_name(text: str) -> str:
    """Return a text as the name of a field: `price_currency` of `priceCurrency`, `""` without letters."""
    ascii_text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_text)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:40].rstrip("_")
    return name if name[:1].isalpha() else ""


def _json_ld_candidates(document: Document) -> Iterator[Candidate]:
    blocks = document.json_ld.blocks(document.root)
    described = [(kind, each) for each in _top_objects(blocks) if (kind := _type_of(each))]
    subjects = [pair for pair in described if pair[0] not in _ABOUT_THE_SITE]
    for kind, subject in subjects[:1]:
        for name, value in subject.items():
            if not name.startswith("@"):
                yield from _property_candidates(kind, name, value)


def _property_candidates(kind: str, name: str, value: JsonValue) -> Iterator[Candidate]:
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        yield Candidate("title" if name in _TITLES else field_name(name), {"jsonld": f"{kind}.{name}"})
        return
    for inner, of_inner in first.items():
        if inner.startswith("@") or isinstance(of_inner, dict | list):
            continue
        own = inner if inner in _CLEAR else name if inner == "name" else f"{name}_{inner}"
        yield Candidate(field_name(own), {"jsonld": f"{kind}.{name}.{inner}"})


def _top_objects(values: list[JsonValue]) -> Iterator[dict[str, JsonValue]]:
    for value in values:
        if isinstance(value, list):
            yield from _top_objects(value)
        elif isinstance(value, dict):
            yield value
            graph = value.get("@graph")
            yield from _top_objects(graph if isinstance(graph, list) else [])


def _type_of(each: dict[str, JsonValue]) -> str:
    kind = each.get("@type")
    name = kind[0] if isinstance(kind, list) and kind else kind
    return name.rpartition("/")[2] if isinstance(name, str) else ""


def _meta_candidates(document: Document) -> Iterator[Candidate]:
    for meta, name in _METAS.items():
        if document.metas.get(meta):
            yield Candidate(name, {"meta": meta}, is_link=name == "image")


def _microdata_candidates(root: Element) -> Iterator[Candidate]:
    for element in root.iterfind(".//*[@itemprop]"):
        names = (element.get("itemprop") or "").split()
        is_simple = len(names) == 1 and re.fullmatch(r"[A-Za-z]+", names[0])
        if not is_simple or element.get("itemscope") is not None:
            continue
        attribute = "content" if element.get("content") else _ATTRIBUTES.get(str(element.tag), "")
        selector = f"[itemprop={names[0]}]"
        if attribute and element.get(attribute):
            selector += f"::attr({attribute})"
        name = "title" if names[0] in _TITLES else field_name(names[0])
        yield Candidate(name, {"css": selector}, is_link=attribute in {"src", "href"})


def _label_candidates(root: Element) -> Iterator[Candidate]:
    """Yield a field for each row of a table that consists of a heading and a value."""
    for heading in root.iterfind(".//tr/th"):
        label, siblings = _text(heading), list(heading.itersiblings("td"))
        is_quotable = "'" not in label and "\\" not in label and len(label) <= MAX_LABEL_CHARACTERS
        if len(siblings) == 1 and heading.getprevious() is None and label and is_quotable:
            xpath = f"//th[normalize-space()='{label}']/following-sibling::td[1]"
            yield Candidate(field_name(label), {"xpath": xpath})


def _json_candidates(value: JsonValue) -> Iterator[Candidate]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        if not isinstance(inner, dict | list) and inner is not None:
            yield Candidate(field_name(name), {"jmespath": json.dumps(name)})


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
