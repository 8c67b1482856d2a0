"""``--setup``: the topics and subscriptions that are to exist, as a file says it. Pure: text in, values out.

Each entry is the resource's JSON of the REST API, in YAML or JSON, or only a name::

    project: shop              # for names that are not whole
    topics: [orders, dead-orders]
    subscriptions:
      - name: orders-to-billing
        topic: orders
        pushConfig: {pushEndpoint: http://127.0.0.1:8080/}
        deadLetterPolicy: {deadLetterTopic: dead-orders}
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from localpubsub.errors import CannotStart

#: What a file may contain, in the order in which it is made.
COLLECTIONS: Final = ("schemas", "topics", "subscriptions")

#: Fields that hold a name, and the collection it is of.
_NAMES: Final = {
    "topic": "topics",
    "deadLetterTopic": "topics",
    "dead_letter_topic": "topics",
    "schema": "schemas",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resource that is to exist."""

    where: str  #: for whoever wrote it: ``pubsub.yaml, line 4``
    collection: str  #: one of COLLECTIONS
    fields: dict[str, Any]  #: JSON of the REST API, with whole names


def from_text(text: str, source: str) -> list[Wanted]:
    """What a file wants; CannotStart with line numbers, each fault on its own line."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CannotStart(f"{source}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CannotStart(f"{source}: {str(error) or 'nested too deeply'}".replace("\n", " ")) from None
    return _wanted(values, source, dict(_lines(root)))


def from_values(values: Mapping[str, Any]) -> list[Wanted]:
    """The same from values; CannotStart names the entry."""
    return _wanted(dict(values), "setup", {})


def _lines(root: yaml.Node | None) -> Iterator[tuple[tuple[str, int], int]]:
    """(key, index of the entry) → its line; index -1 for the key itself."""
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        yield (str(key.value), -1), key.start_mark.line + 1
        if isinstance(value, yaml.SequenceNode):
            for index, entry in enumerate(value.value):
                yield (str(key.value), index), entry.start_mark.line + 1


def _wanted(values: object, source: str, lines: dict[tuple[str, int], int]) -> list[Wanted]:
    if values is None:
        return []
    if not isinstance(values, dict):
        raise CannotStart(f"{source}: it must say topics: [...] and subscriptions: [...]")
    found: list[Wanted] = []
    faults: list[str] = []
    for (key, index), fault in _misplaced(values):
        faults.append(f"{_where(source, lines, key, index)}: {fault}")
    for collection in COLLECTIONS:
        entries = values.get(collection)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            where = _where(source, lines, collection, index)
            try:
                found.append(Wanted(where, collection, _fields(entry, collection, values.get("project"))))
            except ValueError as error:
                faults.append(f"{where}: {error}")
    if faults:
        raise CannotStart("\n".join(faults))
    return found


def _misplaced(values: dict[Any, Any]) -> Iterator[tuple[tuple[str, int], str]]:
    for key, value in values.items():
        if key not in {"project", *COLLECTIONS}:
            yield (str(key), -1), f"unknown {key!r}; known are project, {', '.join(COLLECTIONS)}"
        elif key != "project" and not isinstance(value or [], list):
            yield (key, -1), f"{key} must be a list"


def _where(source: str, lines: dict[tuple[str, int], int], key: str, index: int) -> str:
    if line := lines.get((key, index)):
        return f"{source}, line {line}"
    return f"{source}, {key}" + (f"[{index}]" if index >= 0 else "")


def _fields(entry: object, collection: str, project: object) -> dict[str, Any]:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError("an entry must be a name, or have one (name: ...)")  # noqa: TRY004 - of the file
    entry = {**entry, "name": _whole(entry["name"], collection, project)}
    return _with_whole_names(entry, project)


def _with_whole_names(fields: dict[Any, Any], project: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in fields.items():
        collection = _NAMES.get(key)
        if collection and isinstance(value, str):
            found[key] = _whole(value, collection, project)
        elif key in {
            "deadLetterPolicy",
            "dead_letter_policy",
            "schemaSettings",
            "schema_settings",
        } and isinstance(value, dict):
            found[key] = _with_whole_names(value, project)
        else:
            found[str(key)] = value
    return found


def _whole(name: str, collection: str, project: object) -> str:
    if "/" in name:
        return name
    if not isinstance(project, str):
        raise ValueError(  # noqa: TRY004 - of the file
            f"{name!r} is no whole name (projects/PROJECT/{collection}/NAME), and there is no project: ..."
        )
    return f"projects/{project}/{collection}/{name}"
