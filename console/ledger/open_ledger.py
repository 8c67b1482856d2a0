"""Opens the ledger that a command reads: that of the data directory, or that of a deployment in BigQuery."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from console.errors import UsageError
from console.ledger.ledger import Ledger

VARIABLE: Final = "LEDGER"
SCHEME: Final = "bigquery://"


def open_ledger(data: Path, environment: Mapping[str, str] = os.environ) -> Ledger:
    """Return the ledger that the variable LEDGER names; the one of the data directory if it is not set.

    Raises:
        UsageError: the variable names no ledger, or a package that it needs is not installed.
    """
    name = environment.get(VARIABLE, "")
    if not name:
        return Ledger(data)
    if not name.startswith(SCHEME):
        raise UsageError(
            f"{VARIABLE}={name} names no ledger. Set it to bigquery://PROJECT/DATASET, or unset it to read "
            "the ledger of the data directory."
        )
    from console.ledger.bigquery_ledger import bigquery_ledger  # noqa: PLC0415 - an optional dependency

    return bigquery_ledger(name)
