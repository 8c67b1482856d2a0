"""Queries the names of the fields of a run's items, and refuses a name that none of them has."""

from collections.abc import Iterable
from typing import Final

from console.errors import UsageError
from console.ledger.ledger import Ledger
from console.suggestion import did_you_mean
from contract.quoting import quote

#: Parameter: the run id.
QUERY: Final = "SELECT DISTINCT field FROM `${ledger}.fields` WHERE run_id = ? ORDER BY field"


def check_fields(ledger: Ledger, run_id: str, fields: Iterable[str]) -> None:
    """Check that some item of a run has each of the fields; a run without items has all fields.

    Raises:
        UsageError: no item has such a field; the message suggests a similar one, and lists all.
    """
    names = [name for (name,) in ledger.rows(QUERY, run_id) if name]
    for field in fields:
        if names and field not in names:
            raise UsageError(
                f"No item of run {run_id} has a field {quote(field)}.{did_you_mean(field, names)} "
                f"The fields are {', '.join(names)}."
            )
