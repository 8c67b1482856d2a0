"""Writes rows into PostgreSQL, in the columns that its tables have."""

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from localpubsub.errors import ExportBlocked, RowRejected
from localpubsub.exports.bigquery_column import Column, SqlValue
from localpubsub.exports.bigquery_row import Row, RowPlan, Table
from localpubsub.protocol.json_text import dump_json, parse_json

LOCK_SECONDS: Final = 5  #: how long to wait for another program that has locked a table
CONNECT_SECONDS: Final = 10  #: maximum time of a connection's start
#: Escapes in JSON that are no text in PostgreSQL: U+0000, and halves of surrogate pairs.
_NO_TEXT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_COLUMNS: Final = """
    SELECT column_name, upper(data_type) FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s"""


class PostgresqlTables:
    """The tables of a ledger in PostgreSQL; see `relay.ledger.tables.LedgerTables`.

    Args:
        url: `postgresql://user:password@host:5432/database`.
        name: where it is, without a password.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._opened: psycopg.Connection | None = None
        self._tables: dict[str, Table] = {}

    def write(self, plan: RowPlan, records: Sequence[bytes]) -> list[str]:
        """See `LedgerTables.write`."""
        try:
            with self._connection().transaction():
                return self._write(plan, records)
        except psycopg.Error as error:
            self.close()
            why = " ".join(str(error).split())
            raise ExportBlocked("ACTIVE", f"{self._name} cannot be written: {why}.") from None

    def close(self) -> None:
        """See `LedgerTables.close`."""
        if self._opened is not None:
            with suppress(psycopg.Error):
                self._opened.close()
        self._opened = None
        self._tables.clear()

    def _write(self, plan: RowPlan, records: Sequence[bytes]) -> list[str]:
        table, errors = self._table(plan), [""] * len(records)
        rows: list[tuple[int, Row]] = []
        for index, record in enumerate(records):
            try:
                rows.append((index, plan.row(record, table)))
            except RowRejected as error:
                errors[index] = str(error)
        try:
            with self._connection().transaction():
                self._insert(table, [row for _, row in rows])
        except (psycopg.DataError, psycopg.IntegrityError):
            for index, row in rows:
                try:
                    with self._connection().transaction():
                        self._insert(table, [row])
                except (psycopg.DataError, psycopg.IntegrityError) as error:
                    errors[index] = f"The table {table.name} does not accept the row: {error}."
        return errors

    def _insert(self, table: Table, rows: list[Row]) -> None:
        groups = defaultdict[tuple[str, ...], list[list[SqlValue]]](list)
        for row in rows:
            columns = [table.columns[name.lower()] for name in row.values]
            groups[tuple(row.values)].append(list(map(_storable, columns, row.values.values())))
        with self._connection().cursor() as cursor:
            for names, values in groups.items():
                statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                    sql.Identifier(*table.name.split(".")),
                    sql.SQL(", ").join(map(sql.Identifier, names)),
                    sql.SQL(", ").join([sql.Placeholder()] * len(names)),
                )
                cursor.executemany(statement, values)

    def _connection(self) -> psycopg.Connection:
        if self._opened is None:
            self._opened = psycopg.connect(self._url, connect_timeout=CONNECT_SECONDS, autocommit=True)
            # A commit that is not on the disk would be lost with the server after its acknowledgement.
            self._opened.execute("SET synchronous_commit = on")
            self._opened.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        return self._opened

    def _table(self, plan: RowPlan) -> Table:
        if plan.table not in self._tables:
            found = self._connection().execute(_COLUMNS, plan.table.split(".")).fetchall()
            columns = {name.lower(): Column(name, declared) for name, declared in found}
            if missing := [name for name in plan.columns() if name not in columns]:
                raise ExportBlocked(
                    "SCHEMA_MISMATCH", f"The table {plan.table} lacks the columns {', '.join(missing)}."
                )
            self._tables[plan.table] = Table(plan.table, columns)
        return self._tables[plan.table]


def _storable(column: Column, value: SqlValue) -> SqlValue:
    """Return a value without the characters that PostgreSQL cannot store, which are replaced by U+FFFD."""
    if column.declared == "JSON" and value is not None:
        text = value if isinstance(value, str) else dump_json(value)
        return dump_json(_without(parse_json(text))) if _NO_TEXT.search(text) else text
    return _text(value) if isinstance(value, str) else value


def _without(value: object) -> object:
    if isinstance(value, dict):
        return {_text(name): _without(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_without, value))
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")
