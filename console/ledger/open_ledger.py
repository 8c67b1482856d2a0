"""Opens the ledger that a command reads: that of the data directory, or one in BigQuery or PostgreSQL."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.errors import UsageError
from console.ledger.ledger import Ledger

if TYPE_CHECKING:
    from console.ledger.postgresql_ledger import PostgresqlLedger

VARIABLE: Final = "LEDGER"
SCHEME: Final = "bigquery://"
POSTGRESQL: Final = ("postgresql://", "postgres://")  #: both are URLs of PostgreSQL


def open_ledger(data: Path, environment: Mapping[str, str] = os.environ) -> Ledger:
    """Return the ledger that the variable LEDGER names; the one of the data directory if it is not set.

    Raises:
        UsageError: the variable names no ledger, or a package that it needs is not installed.
    """
    name = environment.get(VARIABLE, "")
    if not name:
        return Ledger(data)
    if name.startswith(POSTGRESQL):
        return open_postgresql(name, data)
    if not name.startswith(SCHEME):
        raise UsageError(
            f"{VARIABLE}={name} names no ledger. Set it to bigquery://PROJECT/DATASET or to "
            "postgresql://user:password@host:5432/database, or unset it to read the ledger of the data "
            "directory."
        )
    from console.ledger.bigquery_ledger import bigquery_ledger  # noqa: PLC0415 - an optional dependency

    return bigquery_ledger(name)


def open_postgresql(url: str, data: Path = Path()) -> "PostgresqlLedger":
    """Return the ledger at a URL of PostgreSQL; `data` is the data directory of the stack on this machine.

    Raises:
        UsageError: the URL is invalid, or a package that it needs is not installed.
    """
    try:
        from console.ledger.postgresql_ledger import PostgresqlLedger  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{VARIABLE}=postgresql://… needs the package {error.name}: pip install 'scrapeq[postgresql]'."
        ) from None
    return PostgresqlLedger(data, url)
