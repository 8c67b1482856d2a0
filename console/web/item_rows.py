"""Sorts and searches items. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from console.ledger.ledger import Result


class ItemRow(NamedTuple):
    """An item, and the page that it comes from."""

    result: Result
    item: dict[str, Any]


def matching(rows: Iterable[ItemRow], text: str) -> list[ItemRow]:
    """Return the rows whose values or URL contain a text, in any case; all rows if the text is empty."""
    wanted = text.lower()
    if not wanted:
        return list(rows)
    return [row for row in rows if any(wanted in found for found in _searched(row))]


def sorted_rows(rows: Sequence[ItemRow], name: str, *, descending: bool = False) -> list[ItemRow]:
    """Return the rows in the order of a field: numbers, then texts; rows without a value come last.

    Args:
        rows: the rows.
        name: the field; `""` leaves the order as it is.
        descending: whether the greatest value comes first.
    """
    if not name:
        return list(rows)
    given = [row for row in rows if row.item.get(name) is not None]
    missing = [row for row in rows if row.item.get(name) is None]
    return sorted(given, key=lambda row: _key(row.item[name]), reverse=descending) + missing


def _key(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, value.lower() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _searched(row: ItemRow) -> Iterable[str]:
    yield row.result.url.lower()
    for value in row.item.values():
        yield (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).lower()
