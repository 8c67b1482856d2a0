"""Finding: a source and a scope in, what stands there out. Pure."""

from collections.abc import Iterable, Iterator

from lxml import etree
from lxml.etree import _Element as Element

from contract.fields import Source
from extraction import jsonld
from extraction.document import Document, Json, Scope
from extraction.json_text import NotJson, parse_script, query, text_of_json
from extraction.patterns import search
from extraction.selectors import compile_xpath, xpath_of


def find(source: Source, scope: Scope, document: Document) -> Iterable[object]:
    """Return all that a source finds: elements, texts, or JSON values (each in a `Json`).

    Raises:
        ValueError, etree.XPathError: where a selector fails when it is used.
    """
    expression = xpath_of(source, xml=document.is_xml)
    if expression is not None:
        found = _select(expression, scope, document)
        return found if source.jmespath is None else _query_scripts(source.jmespath, found)
    if source.jmespath is not None:
        value = scope.value if isinstance(scope, Json) else document.json
        return map(Json, query(source.jmespath, value))
    if source.jsonld is not None:
        return map(Json, jsonld.find(source.jsonld, document.blocks(scope)))
    return document.metas.get(str(source.meta).strip().lower(), [])


def scopes(source: Source, scope: Scope, document: Document) -> list[Scope]:
    """Return all places that a source finds, in which fields can be sought."""
    return [found for found in find(source, scope, document) if isinstance(found, Element | Json)]


def texts(source: Source, scope: Scope, document: Document, *, as_html: bool) -> Iterator[str | Json]:
    """Yield what a source and its pattern find as texts, those of nothing but space left out.

    Numbers of JSON stay numbers where no pattern is searched in them: they know no locale.
    """
    for found in find(source, scope, document):
        text = text_of(found, as_html=as_html)
        if source.re is not None:
            text = search(source.re, text) or ""
        elif isinstance(found, Json) and type(found.value) in {int, float}:
            yield found
            continue
        if text and not text.isspace():
            yield text


def text_of(found: object, *, as_html: bool) -> str:
    """Return what was found as text: all of an element's, or its markup."""
    if isinstance(found, Element):
        if as_html:
            return str(etree.tostring(found, method="html", encoding="unicode", with_tail=False))
        return "".join(found.itertext())
    return text_of_json(found.value) if isinstance(found, Json) else str(found)


def _select(expression: str, scope: Scope, document: Document) -> list[object]:
    if isinstance(scope, Json):
        return []  # JSON has no elements
    # Straight to lxml with compiled expressions: a parsel Selector for each match was half of the work.
    found = document.evaluate(expression, compile_xpath(expression), scope)
    return found if isinstance(found, list) else [found]


def _query_scripts(expression: str, scripts: list[object]) -> Iterator[Json]:
    for script in scripts:
        try:
            value = parse_script(text_of(script, as_html=False))
        except NotJson:
            continue
        yield from map(Json, query(expression, value))


def link(source: Source, document: Document) -> str | None:
    """Return the first link that a source finds: of an element, where it leads to; else the text."""
    for found in find(source, document.scope, document):
        text = found.get("href") if isinstance(found, Element) else text_of(found, as_html=False)
        if text and source.re is not None:
            text = search(source.re, text)
        if text and not text.isspace():
            return str(text).strip()
    return None
