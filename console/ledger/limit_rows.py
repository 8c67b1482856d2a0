"""Queries the runs in flight whose crawl has a limit that is kept while somebody watches them."""

from typing import Final, NamedTuple

from console.ledger.ledger import Ledger

#: The runs with jobs in flight whose dispatches have a limit; the lowest limit counts.
QUERY: Final = """
    SELECT dispatch.run_id, min(dispatch.limit_usd), min(dispatch.limit_bytes)
    FROM `${ledger}.dispatch_state` AS dispatch
    JOIN `${ledger}.run_accounting` AS run ON run.run_id = dispatch.run_id
    WHERE (dispatch.limit_usd IS NOT NULL OR dispatch.limit_bytes IS NOT NULL) AND run.in_flight > 0
    GROUP BY dispatch.run_id ORDER BY dispatch.run_id"""


class RunLimits(NamedTuple):
    """The limits of a run; None if it has no such limit.

    Attributes:
        run_id: the run.
        usd: maximum cost in US dollars.
        bytes: maximum number of bytes of its pages.
    """

    run_id: str
    usd: float | None
    bytes: int | None


def run_limits(ledger: Ledger) -> list[RunLimits]:
    """Return the limits of all runs that have jobs in flight."""
    return [RunLimits(*row) for row in ledger.rows(QUERY)]
