"""From a message to a row, as a BigQuery subscription does it. Pure: knows columns, and no database.

https://cloud.google.com/pubsub/docs/bigquery#properties_subscription
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from localpubsub.errors import RowRejected, SchemaMismatch
from localpubsub.exports.bigquery_column import Column, SqlValue, timestamp_text
from localpubsub.protocol.json_text import dump_json, parse_json
from localpubsub.protocol.messages import BigQueryConfigPb, PubsubMessage, PubsubMessagePb

#: What write_metadata adds, with the types of a table that is made for it.
METADATA: Final = {
    "subscription_name": "TEXT",
    "message_id": "TEXT",
    "publish_time": "TIMESTAMP",
    "attributes": "JSON",
}
DATA: Final = "data"
#: The types of columns that take our own metadata unchecked.
_AS_IT_IS: Final = frozenset({*METADATA.values(), ""})

#: https://cloud.google.com/bigquery/docs/schemas#column_names
_COLUMN_NAME: Final = re.compile(r"[A-Za-z_]\w{0,299}", re.ASCII)

#: The fields of a message, by the schema of its topic; RowRejected.
Decode = Callable[[PubsubMessagePb], Mapping[str, object]]


@dataclass(slots=True)
class Table:
    """A table's columns by their names in lower case, for BigQuery and SQLite take A for a."""

    name: str  #: "dataset.table"
    columns: dict[str, Column]
    #: Made by us from data, since nobody said what its columns are: a new field then becomes a new column.
    grows: bool = False


@dataclass(slots=True)
class Row:
    """Values by column; ``new`` columns have to be added to the table first."""

    values: dict[str, SqlValue] = field(default_factory=dict)
    new: list[Column] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How the messages of one subscription become rows."""

    config: BigQueryConfigPb
    subscription: str  #: full name
    decode: Decode | None = None  #: for use_topic_schema
    topic_columns: Mapping[str, str] = field(default_factory=dict)  #: name → type, for use_topic_schema

    @property
    def table(self) -> str:
        """``dataset.table``: the project is left out, for a warehouse belongs to all of them."""
        # Some write PROJECT:DATASET.TABLE, as BigQuery's older SQL does.
        return ".".join(re.split("[.:]", str(self.config.table))[-2:])

    def columns(self) -> dict[str, str]:
        """Name → type of every column that a table must have before any message is looked at."""
        needed = dict(METADATA) if self.config.write_metadata else {}
        if self.config.use_topic_schema:
            return needed if self.config.drop_unknown_fields else {**self.topic_columns, **needed}
        return needed if self.config.use_table_schema else {DATA: "BYTES", **needed}

    def row(self, record: bytes, table: Table) -> Row:
        """The row of an encoded message; RowRejected."""
        message = PubsubMessage.FromString(record)
        row = Row()
        for name, value in self._fields(message).items():
            self._place(row, table, name, value)
        if self.config.write_metadata:
            for name, value in _metadata(message, self.subscription).items():
                column = table.columns[name]
                if row.values.get(column.name) is not None:
                    raise RowRejected(f"The field {name} is also the name of a metadata column.")
                row.values[column.name] = value if column.declared in _AS_IT_IS else column.fit(value)
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

    def _place(self, row: Row, table: Table, name: str, value: object) -> None:
        column = table.columns.get(name.lower())
        if column is None:
            if self.config.drop_unknown_fields:
                return
            if not table.grows:
                raise RowRejected(f"The table {table.name} has no column for the field {name[:300]!r}.")
            if not _COLUMN_NAME.fullmatch(name):
                raise RowRejected(f"The field {name[:300]!r} cannot be the name of a column.")
            column = next((each for each in row.new if each.name.lower() == name.lower()), Column(name, ""))
            if column not in row.new:
                row.new.append(column)
        if column.name in row.values:
            raise RowRejected(f"Two fields are both the column {column.name}.")
        row.values[column.name] = column.fit(value)


def json_object(data: bytes) -> dict[str, object]:
    """The JSON object a message's data holds; RowRejected."""
    try:
        found = parse_json(data.decode())
    except ValueError as error:
        raise RowRejected(f"The data of the message is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RowRejected("The data of the message is not a JSON object.")
    return found


def _metadata(message: PubsubMessagePb, subscription: str) -> dict[str, str]:
    others = dict(message.attributes)
    if message.ordering_key:
        others["ordering_key"] = message.ordering_key
    published = message.publish_time
    moment = datetime.fromtimestamp(published.seconds, UTC) + timedelta(microseconds=published.nanos // 1000)
    return {
        "subscription_name": subscription,
        "message_id": message.message_id,
        "publish_time": timestamp_text(moment),
        "attributes": dump_json(others) if others else "{}",
    }
