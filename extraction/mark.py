"""Marks in a page what the sources of a recipe select, and removes what could act in it. Pure.

The result is shown to a person who writes a recipe, in a sandboxed frame without scripts: the removal of
scripts here is only a second barrier.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element

from contract.fields import Source, as_source
from contract.recipe import Recipe, RecipeField
from extraction.document import Document, JsonNode, Node
from extraction.errors import BadRecipe, ExtractionError
from extraction.page import PageContent
from extraction.selection import select_nodes
from extraction.selectors import compile_xpath, xpath_of

MAX_MARKS: Final = 2_000  #: maximum number of elements that are marked
MAX_HTML_CHARACTERS: Final = 3_000_000  #: a longer page is not shown
#: Attributes that name the fields of a marked element, and mark an item.
FIELD: Final = "data-scrapeq-field"
ITEM: Final = "data-scrapeq-item"
#: Elements that run code, load something, or change how the page is read.
_REMOVED: Final = frozenset(
    {
        *(
            "script",
            "noscript",
            "template",
            "iframe",
            "frame",
            "frameset",
            "object",
            "embed",
            "applet",
            "link",
            "base",
        ),
        *("meta", "audio", "video", "source", "track", "portal", "dialog"),
    }
)
#: Attributes that are kept. Addresses are left out, so nothing can be opened or loaded.
_KEPT: Final = frozenset(
    {"class", "id", "lang", "dir", "title", "alt", "colspan", "rowspan", "style", FIELD, ITEM}
)


def marked_html(recipe: Recipe, page: PageContent, style: str) -> str:
    """Return the page as HTML without scripts and addresses, with the selected elements marked.

    An element that a field selects has the attribute `data-scrapeq-field` with the names of its fields; one
    that `items` selects has `data-scrapeq-item`.

    Args:
        recipe: the recipe.
        page: the page.
        style: CSS that is put at the end of the page's own.

    Returns:
        The HTML; `""` if the page is JSON or XML, cannot be read, or is too large.
    """
    try:
        document = Document(page, recipe.markup)
        if document.is_xml or isinstance(document.top_node, JsonNode):
            return ""
        marks = dict[Element, list[str]]()
        for node in _item_nodes(recipe, document):
            if recipe.items is not None and isinstance(node, Element):
                node.set(ITEM, "")
            for element, name in _selected(node, recipe.fields, "", document):
                if len(marks) < MAX_MARKS or element in marks:
                    marks.setdefault(element, []).append(name)
    except (ExtractionError, BadRecipe, etree.XPathError):
        return ""
    for element, names in marks.items():
        element.set(FIELD, ", ".join(dict.fromkeys(names)))
    _disarm(document.root)
    head = document.root.find("head")
    own = etree.SubElement(head if head is not None else document.root, "style")
    own.text = style
    html = str(etree.tostring(document.root, method="html", encoding="unicode", with_tail=False))
    return "" if len(html) > MAX_HTML_CHARACTERS else f"<!DOCTYPE html>{html}"


def _item_nodes(recipe: Recipe, document: Document) -> list[Node]:
    if recipe.items is None:
        return [document.top_node]
    return select_nodes(as_source(recipe.items), document.top_node, document)


def _selected(
    node: Node, fields: dict[str, RecipeField], path: str, document: Document
) -> Iterator[tuple[Element, str]]:
    """Yield each element of which a source selects the element, a text or an attribute; with the field."""
    for name, field in fields.items():
        where = path + name
        if field.fields:
            inner = [node]
            if field.items is not None:
                inner = select_nodes(as_source(field.items), node, document)
            elif field.has_own_node():
                inner = select_nodes(field, node, document)[:1]
            for each in inner:
                yield from _selected(each, field.fields, f"{where}.", document)
            continue
        for source in field.sources_in_order():
            found = list(_elements(source, node))
            yield from ((element, where) for element in (found if field.many else found[:1]))
            if found:
                break


def _elements(source: Source, node: Node) -> Iterator[Element]:
    """Yield the elements that a source selects; the owner of a selected text or attribute."""
    expression = xpath_of(source)
    if expression is None or isinstance(node, JsonNode):
        return
    matches = compile_xpath(expression)(node)
    if not isinstance(matches, list):
        return
    if matches and not isinstance(matches[0], Element):
        matches = compile_xpath(f"({expression})/..")(node)
    yield from (match for match in matches if isinstance(match, Element) and isinstance(match.tag, str))


def _disarm(root: Element) -> None:
    """Remove scripts, comments, addresses and event handlers."""
    for element in list(root.iter()):
        if not isinstance(element.tag, str) or element.tag.lower() in _REMOVED:
            _remove(element)
            continue
        for name in list(element.attrib):
            if name.lower() not in _KEPT:
                del element.attrib[name]


def _remove(element: Element) -> None:
    """Remove an element and what is inside it; the text after it stays."""
    parent = element.getparent()
    if parent is None:
        return
    previous = element.getprevious()
    if element.tail:
        if previous is not None:
            previous.tail = (previous.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)
