"""Selects the elements, JSON values and texts that a source matches in a node. Pure."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from lxml import etree
from lxml.etree import _Element as Element

from contract.fields import FieldType, Source
from contract.recipe import RecipeField
from extraction.document import Document, JsonNode, Node
from extraction.json_text import InvalidJson, json_to_text, parse_script, query_json
from extraction.patterns import search
from extraction.rendered_text import rendered_text
from extraction.selectors import compile_xpath, named_elements, xpath_of


class TextForm(Enum):
    """What the text of an element is."""

    SHOWN = auto()  #: the text that a browser shows
    DIGITS_MARKED = auto()  #: the same, but `m<sup>2</sup>` is `m²` and not `m2`
    DIGITS_SPLIT = auto()  #: the same, and digits in different elements are separated
    CONTENT = auto()  #: all the text inside the element, as in XPath's string()
    MARKUP = auto()  #: the element's markup


_WITH_DIGITS = frozenset({FieldType.NUMBER, FieldType.INTEGER, FieldType.DATE, FieldType.DATETIME})


def text_form(field: RecipeField, source: Source, document: Document) -> TextForm:
    """Return what the text of an element is for a source of a field."""
    if field.type is FieldType.HTML:
        return TextForm.MARKUP
    if document.is_xml:  # XML has no elements that a browser shows in a known way
        return TextForm.CONTENT
    if field.type not in _WITH_DIGITS:
        return TextForm.SHOWN
    # A pattern or a transform is written for the text as it is shown.
    return TextForm.DIGITS_MARKED if source.re is not None or field.transforms else TextForm.DIGITS_SPLIT


def select(source: Source, node: Node, document: Document) -> Iterable[object]:
    """Return all matches of a source in a node: elements, texts, or JSON values (each as a `JsonNode`).

    Raises:
        BadRecipe, etree.XPathError: if a selector fails on this page.
    """
    expression = xpath_of(source, xml=document.is_xml)
    if expression is not None:
        matches = _evaluate(expression, node)
        return matches if source.jmespath is None else _query_scripts(source.jmespath, matches)
    if source.jmespath is not None:
        value = node.value if isinstance(node, JsonNode) else document.json
        return map(JsonNode, query_json(source.jmespath, value))
    if source.jsonld is not None:
        return map(JsonNode, document.find_json_ld(source.jsonld, node))
    return document.metas.get(str(source.meta).strip().lower(), [])


def select_nodes(source: Source, node: Node, document: Document) -> list[Node]:
    """Return all matches of a source that are elements or JSON values, in which fields can be searched."""
    return [match for match in select(source, node, document) if isinstance(match, Element | JsonNode)]


def select_texts(source: Source, node: Node, document: Document, form: TextForm) -> Iterator[str | JsonNode]:
    """Yield the texts that a source and its pattern select; texts of only white space are left out.

    A JSON number is yielded as a `JsonNode`. As text it would be read with the decimal separator of the
    field's locale, but JSON always uses a point. If the source has a pattern, the number is searched and
    yielded as text.
    """
    pattern = source.re
    for match in select(source, node, document):
        text = match if isinstance(match, str) else node_text(match, form)
        if pattern is not None:
            text = search(pattern, text) or ""
        elif isinstance(match, JsonNode) and type(match.value) in {int, float}:
            yield match
            continue
        if text and not text.isspace():
            yield text


def select_link(source: Source, document: Document) -> str | None:
    """Return the first link that a source matches: an element's href, or a text; None if nothing matches."""
    for match in select(source, document.top_node, document):
        text = match.get("href") if isinstance(match, Element) else node_text(match, TextForm.CONTENT)
        if text and source.re is not None:
            text = search(source.re, text)
        if text and not text.isspace():
            return str(text).strip()
    return None


def node_text(match: object, form: TextForm) -> str:
    """Return the text of a match; `form` determines the text of an element."""
    if isinstance(match, str):
        return match
    if not isinstance(match, Element):
        return json_to_text(match.value) if isinstance(match, JsonNode) else str(match)
    if form is TextForm.MARKUP:
        return str(etree.tostring(match, method="html", encoding="unicode", with_tail=False))
    if not isinstance(match.tag, str):  # a comment or a processing instruction
        return match.text or ""
    if form is TextForm.CONTENT:
        return "".join(match.itertext())
    return rendered_text(
        match, mark_raised=form is not TextForm.SHOWN, split_digits=form is TextForm.DIGITS_SPLIT
    )


def _evaluate(expression: str, node: Node) -> Iterable[object]:
    if isinstance(node, JsonNode):
        return []  # JSON has no elements
    if named := named_elements(expression):
        # lxml finds them in a third of the time that libxml2's XPath takes, and stops after the first one.
        found: Iterable[object] = (node.getroottree().getroot() if named.in_page else node).iter(*named.names)
        return found
    # docs/decisions/extraction-package.md compares compiled lxml expressions with parsel's Selector.
    try:
        matches = compile_xpath(expression)(node)
    except etree.XPathError as error:
        if "emory" in str(error):  # "Memory allocation failed", "out of memory"
            raise MemoryError(str(error)) from None
        raise
    return matches if isinstance(matches, list) else [matches]


def _query_scripts(expression: str, scripts: Iterable[object]) -> Iterator[JsonNode]:
    for script in scripts:
        try:
            value = parse_script(node_text(script, TextForm.CONTENT))
        except InvalidJson:
            continue
        yield from map(JsonNode, query_json(expression, value))
