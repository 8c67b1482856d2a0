"""Queries a ledger in PostgreSQL, with the queries that the console runs on SQLite."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Final

import psycopg
from psycopg.types.string import TextLoader

from console.errors import LedgerError, UsageError
from console.ledger.ledger import Ledger
from console.ledger.postgresql_views import layout, statements, to_postgresql
from contract.topology import LEDGER_DATASET

CONNECT_SECONDS: Final = 10  #: maximum time of a connection's start
QUERY_SECONDS: Final = 120  #: maximum time of a query
STREAMED_ROWS: Final = 1000  #: number of rows that are read together
#: Identifies the transaction in which a ledger is created, so that two of them wait for each other.
_LOCK: Final = 0x5C2A9E
#: The connections that the current thread keeps open, by the address of the ledger.
_KEPT: ContextVar[Mapping[str, psycopg.Connection]] = ContextVar("_KEPT", default=MappingProxyType({}))


@dataclass(frozen=True)
class PostgresqlLedger(Ledger):
    """A ledger in PostgreSQL.

    Attributes:
        url: `postgresql://user:password@host:5432/database`.
    """

    is_file: ClassVar[bool] = False
    url: str = ""

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            UsageError: it is invalid. The message does not repeat it, since it may contain a password.
        """
        try:
            psycopg.conninfo.conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            raise UsageError(
                "The URL of the ledger is not one of PostgreSQL, which is for example "
                "postgresql://user:password@host:5432/database."
            ) from None

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        found = psycopg.conninfo.conninfo_to_dict(self.url)
        return f"{found.get('host', 'localhost')}:{found.get('port', 5432)}/{found.get('dbname', '')}"

    def create(self) -> None:
        """Create the schema, and missing tables and columns; replace the views of another version.

        Raises:
            LedgerError: PostgreSQL cannot be reached, or refuses.
        """
        with self._connected() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if _version(connection) == layout():
                return
            connection.execute("SET LOCAL client_min_messages = error")  # what exists already is no news
            for statement in statements():
                connection.execute(statement)
            connection.execute(f"COMMENT ON SCHEMA {LEDGER_DATASET} IS '{layout()}'")

    def snapshot(self) -> AbstractContextManager[None]:
        """Let the queries inside the context see the ledger as it is now, over one connection."""
        return self._kept_open()

    def rows_with_text(self, run_id: str, text: str) -> list[int] | None:  # noqa: ARG002 - as in Ledger
        """Return None: there is no index of the URLs, so each query compares them."""
        return None

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query in BigQuery's SQL; `${ledger}` is the dataset and `?` a value."""
        return list(self.stream(query, *values))

    def stream(self, query: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query as `rows` does, but read them one by one."""
        with self._reading() as connection, self._reported_errors():
            # The client inserts the values: PostgreSQL cannot tell the type of a parameter that is NULL.
            text = to_postgresql(query).replace("%", "%%").replace("?", "%s")
            statement = psycopg.ClientCursor(connection).mogrify(text, values)
            with connection.transaction(), connection.cursor("rows") as cursor:
                cursor.itersize = STREAMED_ROWS
                cursor.execute(statement)
                for row in cursor:
                    yield tuple(map(_value, row))

    @contextmanager
    def _kept_open(self) -> Iterator[None]:
        if self.url in _KEPT.get():
            yield
            return
        with self._reading() as connection, connection.transaction():
            token = _KEPT.set({**_KEPT.get(), self.url: connection})
            try:
                yield
            finally:
                _KEPT.reset(token)

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection]:
        """Return a connection that only reads, and within a transaction sees one moment."""
        if (kept := _KEPT.get().get(self.url)) is not None:
            yield kept
            return
        with self._connected() as connection:
            if _version(connection) != layout():
                raise LedgerError(
                    f"There is no ledger of this version in {self.name}: `scrapeq ledger` creates it."
                )
            connection.rollback()
            connection.autocommit = True
            connection.execute(f"SET statement_timeout = '{QUERY_SECONDS}s'")
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        with (
            self._reported_errors(),
            psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS, autocommit=True) as connection,
        ):
            connection.adapters.register_loader("json", TextLoader)
            yield connection

    @contextmanager
    def _reported_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            why = " ".join(str(error).split())
            raise LedgerError(f"The ledger in {self.name} cannot be read or created: {why}.") from None


def _version(connection: psycopg.Connection) -> int | None:
    """Return the layout of the ledger in a database; None if it has none."""
    query = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
    [found] = connection.execute(query, (LEDGER_DATASET,)).fetchone() or (None,)
    return int(found) if found and found.isdigit() else None


def _value(value: object) -> object:
    """Return a value as SQLite has it: times as texts, and truth values and sums as numbers."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return int(value) if isinstance(value, bool) else value
