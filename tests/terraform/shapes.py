"""Describes values of Terraform's state by their shapes: the attributes, and the kind of value of each."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

#: The shapes in the state that terraform-provider-google 7.45.0 wrote when it applied the stack's defaults on
#: 2026-11-29, to a stand-in of Google's services: {type: {shape: [path, ...]}}.
RECORDED = Path(__file__).with_name("provider_state.json")

Shapes = dict[str, dict[str, set[str]]]


#: The shapes of values that are not set.
UNSET = {"null", '""', "0", "false", "[]", "{}"}


def shapes(resources: Iterable[tuple[str, Any]]) -> Shapes:
    """Return the shapes of the values of each type, by dotted path, of resources given as (type, values)."""
    found: Shapes = defaultdict(lambda: defaultdict(set))
    for kind, values in resources:
        for path, shape in _paths(values, ""):
            found[kind][path].add(shape)
    return found


def recorded() -> Shapes:
    """Return the shapes that the provider wrote."""
    found: Shapes = {}
    for kind, by_shape in json.loads(RECORDED.read_text(encoding="utf-8")).items():
        paths = found[kind] = defaultdict(set)
        for shape, names in by_shape.items():
            for path in names:
                paths[path].add(shape)
    return found


def _paths(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for block in value:
                yield from _paths(block, f"{prefix}{name}.")
        else:
            yield prefix + name, _shape(value)


def _shape(value: Any) -> str:  # noqa: ANN401 - a JSON value has no narrower type
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if value in (0, "", [], {}):
        return json.dumps(value)
    return type(value).__name__
