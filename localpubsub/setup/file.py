"""Parses the setup file of the option ``--setup``. Pure: text in, values out.

Each entry is the name of a resource, or a resource in the JSON format of the REST API, written as YAML or
JSON::

    project: shop              # the project of all names without a slash
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

#: The kinds of resources that a file may contain, in the order of their creation.
COLLECTIONS: Final = ("schemas", "topics", "subscriptions")

#: The field of a resource that names another resource → the collection of that other resource.
_NAME_FIELDS: Final = {
    "topic": "topics",
    "deadLetterTopic": "topics",
    "dead_letter_topic": "topics",
    "schema": "schemas",
}


@dataclass(frozen=True, slots=True)
class SetupEntry:
    """One resource of a setup file."""

    position: str  #: The position in the file, for error messages: ``pubsub.yaml, line 4``.
    collection: str  #: One of COLLECTIONS.
    fields: dict[str, Any]  #: The resource in the JSON format of the REST API, with full names.


def from_text(text: str, source: str) -> list[SetupEntry]:
    """Parse the text of a setup file; ``source`` is the file's name.

    Raises:
        CannotStart: the file is invalid; the message has one line for each fault, with its line number.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CannotStart(f"{source}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CannotStart(f"{source}: {str(error) or 'nested too deeply'}".replace("\n", " ")) from None
    return _entries(values, source, dict(_lines(root)))


def from_values(values: Mapping[str, Any]) -> list[SetupEntry]:
    """Parse a mapping with the content of a setup file.

    Raises:
        CannotStart: the mapping is invalid; the message has one line for each fault, which names the entry.
    """
    return _entries(dict(values), "setup", {})


def _lines(root: yaml.Node | None) -> Iterator[tuple[tuple[str, int], int]]:
    """Yield ``((key, index of the entry), line)``; the index -1 stands for the key itself."""
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        yield (str(key.value), -1), key.start_mark.line + 1
        if isinstance(value, yaml.SequenceNode):
            for index, entry in enumerate(value.value):
                yield (str(key.value), index), entry.start_mark.line + 1


def _entries(values: object, source: str, lines: dict[tuple[str, int], int]) -> list[SetupEntry]:
    if values is None:
        return []
    if not isinstance(values, dict):
        raise CannotStart(f"{source}: the file must contain topics: [...] and subscriptions: [...]")
    found: list[SetupEntry] = []
    faults: list[str] = []
    for (key, index), fault in _key_faults(values):
        faults.append(f"{_position(source, lines, key, index)}: {fault}")
    for collection in COLLECTIONS:
        entries = values.get(collection)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            position = _position(source, lines, collection, index)
            try:
                fields = _fields(entry, collection, values.get("project"))
            except ValueError as error:
                faults.append(f"{position}: {error}")
            else:
                found.append(SetupEntry(position, collection, fields))
    if faults:
        raise CannotStart("\n".join(faults))
    return found


def _key_faults(values: dict[Any, Any]) -> Iterator[tuple[tuple[str, int], str]]:
    for key, value in values.items():
        if key not in {"project", *COLLECTIONS}:
            yield (str(key), -1), f"unknown key {key!r}; known keys are project, {', '.join(COLLECTIONS)}"
        elif key != "project" and not isinstance(value or [], list):
            yield (key, -1), f"{key} must be a list"


def _position(source: str, lines: dict[tuple[str, int], int], key: str, index: int) -> str:
    if line := lines.get((key, index)):
        return f"{source}, line {line}"
    return f"{source}, {key}" + (f"[{index}]" if index >= 0 else "")


def _fields(entry: object, collection: str, project: object) -> dict[str, Any]:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError("an entry must be a name, or a mapping with a name (name: ...)")  # noqa: TRY004 - _entries catches ValueError
    entry = {**entry, "name": _full_name(entry["name"], collection, project)}
    return _with_full_names(entry, project)


def _with_full_names(fields: dict[Any, Any], project: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in fields.items():
        collection = _NAME_FIELDS.get(key)
        if collection and isinstance(value, str):
            found[key] = _full_name(value, collection, project)
        elif key in {
            "deadLetterPolicy",
            "dead_letter_policy",
            "schemaSettings",
            "schema_settings",
        } and isinstance(value, dict):
            found[key] = _with_full_names(value, project)
        else:
            found[str(key)] = value
    return found


def _full_name(name: str, collection: str, project: object) -> str:
    if "/" in name:
        return name
    if not isinstance(project, str):
        raise ValueError(  # noqa: TRY004 - _entries catches ValueError
            f"{name!r} is not a full name (projects/PROJECT/{collection}/NAME), and project: is not set"
        )
    return f"projects/{project}/{collection}/{name}"
