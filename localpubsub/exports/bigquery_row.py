"""Converts a message to a row as a BigQuery subscription does. Pure: no database is used.

https://cloud.google.com/pubsub/docs/bigquery#properties_subscription
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from localpubsub.backlog.message import date_and_second
from localpubsub.errors import RowRejected, SchemaMismatch
from localpubsub.exports.bigquery_column import Column, SqlValue
from localpubsub.protocol.json_text import dump_json, parse_json
from localpubsub.protocol.messages import BigQueryConfigPb, PubsubMessage, PubsubMessagePb

#: The columns that ``write_metadata`` adds → their types in a table that localpubsub creates.
METADATA: Final = {
    "subscription_name": "TEXT",
    "message_id": "TEXT",
    "publish_time": "TIMESTAMP",
    "attributes": "JSON",
}
DATA: Final = "data"  #: The column of the message's data if no schema is used.
#: Metadata columns with these types accept metadata values without conversion.
_METADATA_TYPES: Final = frozenset({*METADATA.values(), ""})

#: A valid column name: https://cloud.google.com/bigquery/docs/schemas#column_names
_COLUMN_NAME: Final = re.compile(r"[A-Za-z_]\w{0,299}", re.ASCII)

#: Decodes a message into fields by the schema of its topic. Raises SchemaMismatch if the message does not
#: match the schema.
Decode = Callable[[PubsubMessagePb], Mapping[str, object]]


@dataclass(slots=True)
class Table:
    """A table and its columns."""

    name: str  #: The name, "dataset.table".
    #: The column's name in lower case → the column. BigQuery and SQLite ignore the case of column names.
    columns: dict[str, Column]
    #: Whether an unknown field becomes a new column, as in tables that localpubsub created from messages.
    accepts_new_columns: bool = False


@dataclass(slots=True)
class Row:
    """One row of a table."""

    values: dict[str, SqlValue] = field(default_factory=dict)  #: The column's name → its value.
    new_columns: list[Column] = field(default_factory=list)  #: Columns to add to the table before the row.


@dataclass(frozen=True, slots=True)
class RowPlan:
    """Converts the messages of one subscription to rows."""

    config: BigQueryConfigPb  #: The BigQueryConfig of the subscription.
    subscription: str  #: The full name of the subscription.
    decode: Decode | None = None  #: Decodes a message; only with ``use_topic_schema``.
    #: The column's name → its type; only with ``use_topic_schema``.
    topic_columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The name ``dataset.table`` without the project, because one file has the tables of all projects."""
        # The configuration may also have the form PROJECT:DATASET.TABLE of BigQuery's legacy SQL.
        return ".".join(re.split("[.:]", str(self.config.table))[-2:])

    def columns(self) -> dict[str, str]:
        """Return ``{name: type}`` of the columns that the table must have before the first message."""
        needed = dict(METADATA) if self.config.write_metadata else {}
        if self.config.use_topic_schema:
            return needed if self.config.drop_unknown_fields else {**self.topic_columns, **needed}
        return needed if self.config.use_table_schema else {DATA: "BYTES", **needed}

    def row(self, record: bytes, table: Table) -> Row:
        """Return the row of an encoded message; raise RowRejected if the message does not fit the table."""
        message = PubsubMessage.FromString(record)
        row = Row()
        values, columns = row.values, table.columns
        for name, value in self._fields(message).items():
            column = columns.get(name) or columns.get(name.lower()) or self._new_column(row, table, name)
            if column is None:
                continue
            if column.name in values:
                raise RowRejected(f"Two fields belong to the same column {column.name}.")
            values[column.name] = column.convert(value)
        if self.config.write_metadata:
            for name, text in _metadata(message, self.subscription):
                column = columns[name]
                if values.get(column.name) is not None:
                    raise RowRejected(f"The field {name} is also the name of a metadata column.")
                values[column.name] = text if column.declared in _METADATA_TYPES else column.convert(text)
        return row

    def _fields(self, message: PubsubMessagePb) -> Mapping[str, object]:
        if self.config.use_table_schema:
            return json_object(message.data)
        if self.config.use_topic_schema and self.decode is not None:
            try:
                return self.decode(message)
            except SchemaMismatch as error:
                raise RowRejected(str(error)) from error
        return {DATA: message.data}

    def _new_column(self, row: Row, table: Table, name: str) -> Column | None:
        """Return the new column of the row for an unknown field, or None if the field is dropped."""
        if self.config.drop_unknown_fields:
            return None
        if not table.accepts_new_columns:
            raise RowRejected(f"The table {table.name} has no column for the field {name[:300]!r}.")
        if not _COLUMN_NAME.fullmatch(name):
            raise RowRejected(f"The field {name[:300]!r} cannot be the name of a column.")
        for column in row.new_columns:
            if column.name.lower() == name.lower():
                return column
        row.new_columns.append(Column(name, ""))
        return row.new_columns[-1]


def json_object(data: bytes) -> dict[str, object]:
    """Return the JSON object in a message's data; raise RowRejected if the data is something else."""
    try:
        found = parse_json(data.decode())
    except ValueError as error:
        raise RowRejected(f"The data of the message is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RowRejected("The data of the message is not a JSON object.")
    return found


def _metadata(message: PubsubMessagePb, subscription: str) -> tuple[tuple[str, str], ...]:
    attributes = dict(message.attributes)
    if message.ordering_key:
        attributes["ordering_key"] = message.ordering_key
    published = message.publish_time
    return (
        ("subscription_name", subscription),
        ("message_id", message.message_id),
        ("publish_time", f"{date_and_second(published.seconds)}.{published.nanos // 1000:06d}Z"),
        ("attributes", dump_json(attributes) if attributes else "{}"),
    )
