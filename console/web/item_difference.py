"""Compares the items of two runs, page by page. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from console.ledger.ledger import Result

MAX_LISTED = 200  #: number of pages and of values that are listed


class ChangedValue(NamedTuple):
    """A value that differs; `number` is the item's on its page, from 1."""

    url: str
    number: int
    name: str
    before: Any
    after: Any


@dataclass
class Difference:
    """What differs between two runs.

    Attributes:
        added: URLs of pages that only the later run has, at most 200.
        removed: URLs of pages that only the earlier run has, at most 200.
        changed: values that differ, at most 200.
        added_count: number of pages that only the later run has.
        removed_count: number of pages that only the earlier run has.
        changed_count: number of values that differ.
        same_count: number of pages whose items are equal.
        fields: number of values that differ, by field.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[ChangedValue] = field(default_factory=list)
    added_count: int = 0
    removed_count: int = 0
    changed_count: int = 0
    same_count: int = 0
    fields: dict[str, int] = field(default_factory=dict)


def difference(before: Iterable[Result], after: Iterable[Result]) -> Difference:
    """Return what differs between an earlier and a later run; pages are compared by their URL."""
    earlier = {result.url: result.items for result in before}
    later = {result.url: result.items for result in after}
    added, removed = (
        [url for url in later if url not in earlier],
        [url for url in earlier if url not in later],
    )
    found = Difference(
        added[:MAX_LISTED], removed[:MAX_LISTED], added_count=len(added), removed_count=len(removed)
    )
    for url, items in later.items():
        if url not in earlier:
            continue
        if items == earlier[url]:
            found.same_count += 1
            continue
        for value in _changed(url, earlier[url], items):
            found.changed_count += 1
            found.fields[value.name] = found.fields.get(value.name, 0) + 1
            if len(found.changed) < MAX_LISTED:
                found.changed.append(value)
    return found


def _changed(url: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterable[ChangedValue]:
    for place in range(max(len(before), len(after))):
        old = before[place] if place < len(before) else {}
        new = after[place] if place < len(after) else {}
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield ChangedValue(url, place + 1, name, old.get(name), new.get(name))
