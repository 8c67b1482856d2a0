"""JSON-LD as pages embed it (https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents). Pure."""

from collections.abc import Iterator

from lxml.etree import _Element as Element
from pydantic import JsonValue

from extraction.json_text import NotJson, parse_script

_MEDIA_TYPE = "application/ld+json"


def blocks(scope: Element) -> list[JsonValue]:
    """Return the JSON-LD blocks inside an element; those that are no JSON are left out."""
    found = []
    for script in scope.iter("script"):
        if (script.get("type") or "").partition(";")[0].strip().lower() == _MEDIA_TYPE:
            try:
                found.append(parse_script("".join(script.itertext())))
            except NotJson:
                continue
    return found


def find(path: str, values: list[JsonValue]) -> list[JsonValue]:
    """Return what a path, `Product.offers.price`, leads to in each node of its type, in the page's order.

    A node may stand anywhere: at the top, in a list, in `@graph`, in another node. Lists on the way are
    followed in all their elements; of a value object (`{"@value": …}`) the value is taken.
    """
    kind, *names = path.split(".")
    found = [node for node in _objects(values) if kind in _types(node)]
    return [each for node in found for each in _follow(node, names)]


def _objects(values: list[JsonValue]) -> Iterator[dict[str, JsonValue]]:
    """Yield all objects, outer before inner, in the page's order."""
    waiting = list(reversed(values))
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))


def _types(node: dict[str, JsonValue]) -> set[str]:
    """Return an object's types, without their vocabulary: `http://schema.org/Product` is `Product`."""
    named = node.get("@type")
    names = named if isinstance(named, list) else [named]
    return {
        name.rpartition("/")[2].rpartition("#")[2].rpartition(":")[2]
        for name in names
        if isinstance(name, str)
    }


def _follow(value: JsonValue, names: list[str]) -> Iterator[JsonValue]:
    if isinstance(value, list):
        for each in value:
            yield from _follow(each, names)
    elif names:
        if isinstance(value, dict):
            yield from _follow(value.get(names[0]), names[1:])
    elif isinstance(value, dict) and "@value" in value:
        yield from _follow(value["@value"], [])
    elif value is not None:
        yield value
