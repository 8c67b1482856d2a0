"""Represents BigQuery by an SQLite file whose tables are named ``dataset.table``.

Only one thread uses the file (see exports.py). The file is in WAL mode, so that other programs can read it
while it is written. A commit is on disk before its messages are acknowledged.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpubsub.errors import ExportBlocked, RowRejected, Unimplemented
from localpubsub.exports.bigquery_column import Column
from localpubsub.exports.bigquery_row import METADATA, Row, RowPlan, Table
from localpubsub.open_files import has_free_file, is_out_of_resources
from localpubsub.private_files import make_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_TIMEOUT: Final = 5.0  #: How long to wait for another program that writes to the file, in seconds.

#: The SQLite error codes that mean that the file cannot be written. All other errors are temporary (a busy
#: file, a full disk).
_DENIED: Final = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
)
#: The exceptions that an insert raises because of a value in the row.
_VALUE_ERRORS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    OverflowError,
    ValueError,
)


class BigQueryTables:
    """The tables of one file, which is opened on first use.

    ``check`` and ``write`` raise ExportBlocked if nothing can be written.

    Args:
        file: the path of the SQLite file.
        create_tables: whether a missing table is created.
        skip_repeated: whether a row that repeats the value of a unique index is skipped, and not rejected.

    Attributes:
        file: as given.
    """

    def __init__(self, file: Path, *, create_tables: bool, skip_repeated: bool = False) -> None:
        self.file = file
        self._conflict = " ON CONFLICT DO NOTHING" if skip_repeated else ""
        self._create_tables = create_tables
        self._opened: sqlite3.Connection | None = None
        self._tables: dict[str, Table] = {}
        self._schema_version = -1

    def check(self, plan: RowPlan) -> None:
        """Raise ExportBlocked if rows of this plan cannot be written now; create the table if allowed."""
        with self._writing():
            self._table(plan)

    def write(self, plan: RowPlan, records: Sequence[bytes]) -> list[str]:
        """Write rows in one transaction and return once they are on disk.

        Returns:
            For each record an empty string, or the reason why its row was rejected.
        """
        with self._writing() as connection:
            table = self._table(plan)
            errors = [""] * len(records)
            rows: list[tuple[int, Row]] = []
            for index, record in enumerate(records):
                try:
                    rows.append((index, self._row(plan, record, table)))
                except RowRejected as error:
                    errors[index] = str(error)
            for index, text in _insert(connection, table, rows, self._conflict).items():
                errors[index] = text
            return errors

    def close(self) -> None:
        """Close the file, which also moves the content of its WAL into it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def _writing(self) -> "Iterator[sqlite3.Connection]":
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._tables.clear()  # The rollback also undoes new tables and columns.
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, MemoryError) as error:
            denied = (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DENIED and has_free_file()
            reason = f"{self.file.name} cannot be written: {error}."
            raise ExportBlocked("PERMISSION_DENIED" if denied else "ACTIVE", reason) from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            with suppress(OSError):  # SQLite reports the error
                make_private_file(self.file)
            connection = sqlite3.connect(
                self.file,
                timeout=BUSY_TIMEOUT,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=512,
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                # Without this, a power failure could lose a row whose message was acknowledged.
                connection.execute("PRAGMA synchronous = FULL")
            except sqlite3.Error:
                connection.close()
                raise
            self._opened = connection
        return self._opened

    def _table(self, plan: RowPlan) -> Table:
        """Check the columns of the plan's table and return the table.

        It is read again if another program changed the tables of the file.
        """
        (version,) = self._connection().execute("PRAGMA schema_version").fetchone()
        if version != self._schema_version:
            self._tables.clear()
            self._schema_version = version
        table = self._tables.get(plan.table) or self._read(plan.table) or self._create_for(plan)
        missing = [name for name in plan.columns() if name.lower() not in table.columns]
        if missing:
            raise ExportBlocked(
                "SCHEMA_MISMATCH", f"The table {table.name} lacks the columns {', '.join(missing)}."
            )
        for column in table.columns.values():
            if column.changes_texts:
                raise ExportBlocked(
                    "SCHEMA_MISMATCH",
                    f"The column {column.name} of {table.name} is declared STRING, whose texts SQLite "
                    "would convert to numbers: declare it TEXT.",
                )
        self._tables[plan.table] = table
        return table

    def _read(self, name: str) -> Table | None:
        execute = self._connection().execute
        found = execute("SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchone()
        if found is None:
            return None
        if found != ("table",):
            raise ExportBlocked("SCHEMA_MISMATCH", f"{name} is a {found[0]}, not a table.")
        columns = [
            Column(column, declared.upper())
            for column, declared in execute("SELECT name, type FROM pragma_table_info(?)", (name,))
        ]
        return _make_table(name, columns, may_grow=self._create_tables)

    def _create_for(self, plan: RowPlan) -> Table:
        if not self._create_tables:
            raise ExportBlocked("NOT_FOUND", f"The table {plan.table} does not exist in {self.file.name}.")
        columns = [Column(name, declared) for name, declared in plan.columns().items()]
        if columns:
            self._create(plan.table, columns)
        return _make_table(plan.table, columns, may_grow=bool(plan.config.use_table_schema))

    def _create(self, name: str, columns: Sequence[Column]) -> None:
        declared = ", ".join(f"{_quoted(column.name)} {column.declared}".rstrip() for column in columns)
        self._connection().execute(f"CREATE TABLE {_quoted(name)} ({declared})")

    def _row(self, plan: RowPlan, record: bytes, table: Table) -> Row:
        try:
            row = plan.row(record, table)
        except (RowRejected, ExportBlocked):
            raise
        except Unimplemented as error:  # a library is not installed
            raise ExportBlocked("SCHEMA_MISMATCH", str(error)) from error
        except Exception as error:
            if is_out_of_resources(error):
                raise  # The message is valid.
            raise RowRejected(f"localpubsub could not make a row of the message: {error!r}.") from error
        if not row.values and not table.columns:
            raise RowRejected(f"The message has no fields, and the table {table.name} does not exist yet.")
        for column in row.new_columns:
            self._add_column(table, column)
        return row

    def _add_column(self, table: Table, column: Column) -> None:
        try:
            if table.columns:
                self._connection().execute(
                    f"ALTER TABLE {_quoted(table.name)} ADD COLUMN {_quoted(column.name)}"
                )
            else:
                self._create(table.name, [column])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise  # The file cannot be written now; the message is valid.
            raise RowRejected(
                f"The column {column.name} cannot be added to {table.name}: {error}."
            ) from error
        table.columns[column.name.lower()] = column


def _make_table(name: str, columns: Sequence[Column], *, may_grow: bool) -> Table:
    """Return a table that accepts new columns if ``may_grow`` is set and no data column has a declared type.

    localpubsub declares no types for the data columns of tables that it creates from the fields of messages.
    """
    data_columns = [column for column in columns if column.name not in METADATA]
    accepts_new_columns = may_grow and not any(column.declared for column in data_columns)
    return Table(name, {column.name.lower(): column for column in columns}, accepts_new_columns)


def _insert(
    connection: sqlite3.Connection, table: Table, rows: Sequence[tuple[int, Row]], conflict: str
) -> dict[int, str]:
    """Insert all rows that SQLite accepts; return ``{index: error}`` of the rejected rows.

    ``conflict`` is the clause that ends each statement.
    """
    errors: dict[int, str] = {}
    connection.execute("SAVEPOINT rows")
    try:
        for names, values in _grouped(row for _, row in rows):
            connection.executemany(_statement(table, names) + conflict, values)
    except _VALUE_ERRORS:
        connection.execute("ROLLBACK TO rows")
        for index, row in rows:
            try:
                statement = _statement(table, tuple(row.values)) + conflict
                connection.execute(statement, tuple(row.values.values()))
            except _VALUE_ERRORS as error:
                errors[index] = f"The table {table.name} does not accept the row: {error}."
    connection.execute("RELEASE rows")
    return errors


def _grouped(rows: Iterable[Row]) -> list[tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    """Group rows with the same columns, so that one statement can insert them; other columns get defaults."""
    groups: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.values), []).append(tuple(row.values.values()))
    return list(groups.items())


def _statement(table: Table, names: Sequence[str]) -> str:
    if not names:
        return f"INSERT INTO {_quoted(table.name)} DEFAULT VALUES"
    columns = ", ".join(map(_quoted, names))
    return f"INSERT INTO {_quoted(table.name)} ({columns}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names are quoted


def _quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier; the name may contain any character."""
    return '"' + name.replace('"', '""') + '"'
