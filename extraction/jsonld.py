"""Finds values in the JSON-LD of a page. Pure.

https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents describes JSON-LD in HTML.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from urllib.parse import urljoin

from lxml.etree import _Element as Element
from pydantic import JsonValue

from contract.outcome import Reason
from extraction.errors import ExtractionError
from extraction.json_text import json_to_text, parse_values

_MEDIA_TYPE = "application/ld+json"
MAX_STEPS = 1_000_000  #: maximum number of values that are read to find those of one path
JsonObject = dict[str, JsonValue]


class JsonLd:
    """The JSON-LD of a page.

    Args:
        root: the root element, in which the scripts are searched.
        base_url: the URL that relative `@id`s are resolved against.
        values: JSON-LD that is in no script, if the page itself is JSON.

    Attributes:
        faults: a sentence about each block that is not JSON, or only in part.
    """

    def __init__(self, root: Element | None, base_url: str, values: Iterable[JsonValue] = ()) -> None:
        self.faults: list[str] = []
        self._base_url = base_url
        self._values = list(values)
        self._blocks: dict[Element, list[JsonValue]] = {}
        self._properties: dict[tuple[str, str], list[JsonValue]] = {}
        self._merged: dict[str, JsonObject] = {}
        for script in () if root is None else root.iter("script"):
            if (script.get("type") or "").partition(";")[0].strip().lower() == _MEDIA_TYPE:
                self._blocks[script], fault = parse_values("".join(script.itertext()))
                if fault:
                    self.faults.append(f"JSON-LD block {len(self._blocks)} of the page {fault}")

    def blocks(self, element: Element) -> list[JsonValue]:
        """Return the values of the JSON-LD blocks inside an element of the page."""
        return list(chain.from_iterable(self._blocks.get(script, ()) for script in element.iter("script")))

    def find(self, path: str, values: list[JsonValue]) -> Iterator[JsonValue]:
        """Yield the values of a path, for example `Product.offers.price`, in the order of the page.

        The first part of the path is a type; the other parts are properties. Objects of the type may be at
        the top, in a list, in `@graph` or inside another object. If the value of a property is a list, the
        path is followed in each element. A value object (`{"@value": …}`) is replaced by its value. Objects
        with the same `@id` are one node, wherever they are on the page, so a reference (`{"@id": …}`) has all
        properties of its node (https://www.w3.org/TR/json-ld11/#node-identifiers).

        Raises:
            ExtractionError: `too_large`, if more than `MAX_STEPS` values must be read.
        """
        wanted_type, *names = path.split(".")
        steps = 0
        for match in self._matches(wanted_type, values):
            for value, is_result in self._follow(match, names):
                steps += 1
                if steps > MAX_STEPS:
                    raise ExtractionError(
                        Reason.TOO_LARGE, f"jsonld {path} reads more than {MAX_STEPS} values"
                    )
                if is_result:
                    yield value

    def _matches(self, wanted_type: str, values: list[JsonValue]) -> Iterator[JsonObject]:
        """Yield one object of each node that has the type."""
        found = set[str]()
        nodes = self._nodes
        for each in _objects(values):
            if wanted_type not in _types(each):
                continue
            key = self._key(each)
            if key is None or key not in nodes:
                yield each
            elif key not in found:
                found.add(key)
                yield each

    def _follow(self, match: JsonObject, names: list[str]) -> Iterator[tuple[JsonValue, bool]]:
        """Yield the values on the path from an object, each with whether it is at the end of the path."""
        stack: list[tuple[JsonValue, int]] = [(match, 0)]
        while stack:
            value, depth = stack.pop()
            at_end = depth == len(names)
            inner: list[JsonValue] | None = None
            if isinstance(value, list):
                inner = value
            elif isinstance(value, dict) and ("@list" in value or "@set" in value):
                inner = [value.get("@list", value.get("@set"))]
            elif isinstance(value, dict) and at_end and "@value" in value:
                inner = [value["@value"]]
            elif isinstance(value, dict) and not at_end:
                inner, depth = self._values_of(value, names[depth]), depth + 1
            if inner is not None:
                stack.extend((each, depth) for each in reversed(inner))
                yield None, False
            elif at_end and value is not None:
                yield self._whole(value) if isinstance(value, dict) else value, True

    @cached_property
    def _nodes(self) -> dict[str, list[JsonObject]]:
        """For each `@id`, all objects of the page that have it."""
        nodes: dict[str, list[JsonObject]] = {}
        for number, values in enumerate([self._values, *self._blocks.values()]):
            for each in _objects(values):
                blank = each.get("@id")
                if isinstance(blank, str) and blank.startswith("_:"):
                    # The name of a blank node is valid only in its block.
                    each["@id"] = f"{blank}.{number}"
                key = self._key(each)
                if key is not None:
                    nodes.setdefault(key, []).append(each)
        return nodes

    def _key(self, each: JsonObject) -> str | None:
        """Return the absolute `@id` of an object; None if it has none."""
        name = each.get("@id")
        if not isinstance(name, str):
            return None
        try:
            return name if name.startswith("_:") else urljoin(self._base_url, name)
        except ValueError:
            return name

    def _values_of(self, each: JsonObject, name: str) -> list[JsonValue]:
        """Return the different values of a property of a node."""
        own = [] if each.get(name) is None else [each[name]]
        key = self._key(each)
        if key is None:
            return own
        if (key, name) not in self._properties:
            found = {
                json_to_text(node[name]): node[name] for node in self._nodes.get(key, ()) if name in node
            }
            self._properties[key, name] = [value for value in found.values() if value is not None]
        others = self._properties[key, name]
        return others if not own or len(others) == 1 else own + [other for other in others if other != own[0]]

    def _whole(self, each: JsonObject) -> JsonObject:
        """Return an object with all properties of its node; of different values, the first is used."""
        key = self._key(each)
        nodes = [] if key is None else self._nodes.get(key, [])
        if key is None or len(nodes) < 2:
            return each
        if key not in self._merged:
            self._merged[key] = {name: value for node in reversed(nodes) for name, value in node.items()}
        return self._merged[key]


def _objects(values: Iterable[JsonValue]) -> Iterator[JsonObject]:
    """Yield all objects in the order of the page; an outer object comes before the objects inside it."""
    stack = list(values)[::-1]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(reversed(value.values()))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _types(json_object: JsonObject) -> set[str]:
    """Return an object's types without their vocabulary: `http://schema.org/Product` is `Product`."""
    types = json_object.get("@type")
    names = types if isinstance(types, list) else [types]
    return {
        name.rpartition("/")[2].rpartition("#")[2].rpartition(":")[2]
        for name in names
        if isinstance(name, str)
    }
