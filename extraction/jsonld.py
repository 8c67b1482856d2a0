"""Finds values in the JSON-LD of a page. Pure.

https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents describes JSON-LD in HTML.
"""

from collections.abc import Iterator

from lxml.etree import _Element as Element
from pydantic import JsonValue

from extraction.json_text import InvalidJson, parse_script

_MEDIA_TYPE = "application/ld+json"


def blocks(element: Element) -> list[JsonValue]:
    """Return the JSON-LD blocks inside an element; blocks that are not valid JSON are left out."""
    values = []
    for script in element.iter("script"):
        if (script.get("type") or "").partition(";")[0].strip().lower() == _MEDIA_TYPE:
            try:
                values.append(parse_script("".join(script.itertext())))
            except InvalidJson:
                continue
    return values


def find(path: str, values: list[JsonValue]) -> list[JsonValue]:
    """Return the values of a path, for example `Product.offers.price`, in the order of the page.

    The first part of the path is a type; the other parts are properties. Objects of the type may be at the
    top, in a list, in `@graph` or inside another object. If the value of a property is a list, the path is
    followed in each element. A value object (`{"@value": …}`) is replaced by its value.
    """
    wanted_type, *names = path.split(".")
    matches = [each for each in _objects(values) if wanted_type in _types(each)]
    return [value for match in matches for value in _follow(match, names)]


def _objects(values: list[JsonValue]) -> Iterator[dict[str, JsonValue]]:
    """Yield all objects in the order of the page; an outer object comes before the objects inside it."""
    stack = list(reversed(values))
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(reversed(value.values()))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _types(json_object: dict[str, JsonValue]) -> set[str]:
    """Return an object's types without their vocabulary: `http://schema.org/Product` is `Product`."""
    types = json_object.get("@type")
    names = types if isinstance(types, list) else [types]
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
