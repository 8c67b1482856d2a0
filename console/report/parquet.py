"""Writes the items of a run as Parquet, in row groups, so that a run may be larger than the memory.

A column has the type of its field's values: boolean, whole number, number, text, or a list of one of these.
Any other column is JSON in a text: one whose values differ in their type, and one with objects. pyarrow is
an optional dependency, the extra `parquet`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO, Final

from console.errors import UsageError
from console.report.export import COLUMNS, ExportedItem, column_of, origin

ROWS_PER_GROUP: Final = 10_000  #: maximum number of rows of a row group, which is in memory as a whole
CHARACTERS_PER_GROUP: Final = 32_000_000  #: number of characters of its items after which a row group ends
#: A kind of values. Whole numbers up to 2**53 can become numbers with a fraction without losing digits.
NULL, BOOLEAN, SMALL, WHOLE, NUMBER, TEXT, JSON = (
    "null",
    "boolean",
    "small",
    "whole",
    "number",
    "text",
    "json",
)
LIST: Final = "list of "  #: beginning of the kind of a list, followed by that of its elements
KINDS: Final = {type(None): NULL, bool: BOOLEAN, float: NUMBER, str: TEXT}
MISSING: Final = (
    "--format parquet needs pyarrow, which is not installed: `pip install 'scrapeq[parquet]'` installs it."
)


def field_kinds(items: Iterable[ExportedItem]) -> dict[str, str]:
    """Return the kind of the values of each field, in the order in which the fields appear first."""
    kinds: dict[str, str] = {}
    for _, fields in items:
        for name, value in fields.items():
            kinds[name] = merged(kinds.get(name, NULL), kind_of(value))
    return kinds


def kind_of(value: object) -> str:
    """Return the kind of a value of JSON."""
    if isinstance(value, int) and not isinstance(value, bool):
        return SMALL if abs(value) <= 2**53 else WHOLE if -(2**63) <= value < 2**63 else JSON
    if isinstance(value, list):
        element = NULL
        for each in value:
            element = merged(element, JSON if isinstance(each, list) else kind_of(each))
        return JSON if element == JSON else LIST + element
    return KINDS.get(type(value), JSON)


def merged(first: str, second: str) -> str:
    """Return the kind of a column with values of two kinds."""
    if second in {first, NULL}:
        return first
    if first == NULL:
        return second
    if first.startswith(LIST) and second.startswith(LIST):
        element = merged(first.removeprefix(LIST), second.removeprefix(LIST))
        return JSON if element == JSON else LIST + element
    kinds = {first, second}
    return WHOLE if kinds == {SMALL, WHOLE} else NUMBER if kinds == {SMALL, NUMBER} else JSON


def fallback_line(kinds: Mapping[str, str]) -> str:
    """Return a sentence that names the columns of JSON; `""` if there are none."""
    names = [name for name, kind in kinds.items() if kind == JSON]
    if not names:
        return ""
    verb, be = ("has", "is") if len(names) == 1 else ("have", "are")
    return (
        f"{', '.join(names)} {verb} objects or values of several types, and {be} written as JSON in a text."
    )


def write_parquet(
    file: BinaryIO, run_id: str, items: Iterable[ExportedItem], kinds: Mapping[str, str]
) -> int:
    """Write the items to a file, and return their number.

    Args:
        file: where to write.
        run_id: the run.
        items: the items; they are read one by one.
        kinds: the fields and their kinds, as `field_kinds` returns them for the same items.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency, which is slow to import
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above
    except ImportError:
        raise UsageError(MISSING) from None
    types = {
        NULL: pa.string(), BOOLEAN: pa.bool_(), SMALL: pa.int64(), WHOLE: pa.int64(), NUMBER: pa.float64(),
        TEXT: pa.string(), JSON: pa.string(),
    }  # fmt: skip
    own = dict.fromkeys(COLUMNS, pa.string()) | {
        "page": pa.int32(),
        "fetched_at": pa.timestamp("us", tz="UTC"),
    }
    columns = own | {
        column_of(name): pa.list_(types[kind.removeprefix(LIST)]) if kind.startswith(LIST) else types[kind]
        for name, kind in kinds.items()
    }
    schema = pa.schema(list(columns.items()))
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in row_groups(items):
            rows = [_row(run_id, item, kinds) for item in group]
            arrays = [
                pa.array([row[place] for row in rows], type=field.type) for place, field in enumerate(schema)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROWS_PER_GROUP)
            count += len(rows)
    return count


def row_groups(
    items: Iterable[ExportedItem], rows: int = ROWS_PER_GROUP, characters: int = CHARACTERS_PER_GROUP
) -> Iterator[list[ExportedItem]]:
    """Yield the items in lists of at most `rows`, which end after `characters` of text."""
    group, size = list[ExportedItem](), 0
    for item in items:
        group.append(item)
        size += sum(
            len(value) if isinstance(value, str) else len(str(value)) for value in item.fields.values()
        )
        if len(group) >= rows or size >= characters:
            yield group
            group, size = [], 0
    if group:
        yield group


def _row(run_id: str, item: ExportedItem, kinds: Mapping[str, str]) -> list[Any]:
    values = origin(run_id, item.result)
    at = values["fetched_at"]
    values["fetched_at"] = datetime.fromisoformat(at) if at else None
    texts = [_utf8(value) if isinstance(value, str) else value for value in values.values()]
    return texts + [_converted(item.fields.get(name), kind) for name, kind in kinds.items()]


def _converted(value: Any, kind: str) -> Any:  # noqa: ANN401 - a value of JSON
    if value is None:
        return None
    if kind == JSON:
        return _utf8(json.dumps(value, ensure_ascii=False))
    if kind.startswith(LIST):
        return [_converted(each, kind.removeprefix(LIST)) for each in value]
    if kind == NUMBER:
        return float(value)
    return _utf8(value) if isinstance(value, str) else value


def _utf8(text: str) -> str:
    """Return a text without lone surrogates, which UTF-8 cannot encode."""
    return text.encode(errors="replace").decode()
