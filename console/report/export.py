"""Writes the items of a run for other programs, as CSV or JSON Lines: one row for each item. Pure."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from console.ledger.ledger import Result
from console.terminal import json_line

#: Columns before those of the fields. A field of one of these names has the name `field.NAME`.
COLUMNS: Final = ("url", "page", "listing", "job_id", "run_id", "fetched_at")
#: A text that begins with one of these characters, the last four of which are full-width forms, may be run
#: as a formula by a program for spreadsheets: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A text that is a number, for example `-5.20`, is not a formula.
NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class ExportedItem(NamedTuple):
    """An item, and the page that it comes from."""

    result: Result
    fields: dict[str, Any]


def exported_items(
    results: Iterable[Result], limit: int | None, chosen: Sequence[str]
) -> Iterator[ExportedItem]:
    """Yield the items of all pages, at most `limit`; only the chosen fields if there are any."""
    items = (ExportedItem(result, _chosen(item, chosen)) for result in results for item in result.items)
    return islice(items, limit)


def json_lines(run_id: str, items: Iterable[ExportedItem]) -> Iterator[str]:
    """Yield a line of JSON for each item."""
    for result, fields in items:
        yield json_line(origin(run_id, result) | {"fields": fields})


def field_names(items: Iterable[ExportedItem]) -> list[str]:
    """Return the names of all fields, in the order in which they appear first."""
    return list(dict.fromkeys(name for _, fields in items for name in fields))


def csv_lines(run_id: str, items: Iterable[ExportedItem], names: Sequence[str]) -> Iterator[str]:
    """Yield a header and a line for each item, as RFC 4180 says; a text may contain line breaks.

    A number is written as in JSON, a list or an object as JSON, and null as an empty cell. A text that a
    program for spreadsheets would run as a formula begins with an apostrophe, unless it is a number.
    """
    yield _csv_line([*COLUMNS, *map(column_of, names)])
    for result, fields in items:
        yield _csv_line([*origin(run_id, result).values(), *(fields.get(name) for name in names)])


def column_of(name: str) -> str:
    """Return the name of the column of a field."""
    return f"field.{name}" if name in COLUMNS else name


def origin(run_id: str, result: Result) -> dict[str, Any]:
    """Return the values of `COLUMNS` for a page."""
    values = (result.url, result.page, result.listing, result.job_id, run_id, result.fetched_at)
    return dict(zip(COLUMNS, values, strict=True))


def _chosen(item: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: item.get(name) for name in names} if names else item


def _csv_line(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        is_formula = value.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(value)
        return f"'{value}" if is_formula else value
    return json.dumps(value, ensure_ascii=False)
