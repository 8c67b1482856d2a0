"""Reads the rows of the view dispatch_state. Pure."""

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from console.dispatch_response import DispatchResponse, added

#: Maps the fields of a `DispatchResponse` to the columns of the view.
COLUMNS = {
    "run_id": "run_id",
    "dispatch_id": "dispatch_id",
    "published": "published",
    "duplicates": "duplicates",
    "over_limit": "over_limit",
    "rejected_count": "rejected",
    "filtered": "filtered",
    "outdated": "outdated",
    "outdated_sitemaps": "outdated_sitemaps",
    "unread_count": "unread",
    "rejected": "rejected_urls",
    "unread": "unread_parts",
    "sources": "sources",
}
JSON_FIELDS = ("rejected", "unread", "sources")
QUERY = f"""SELECT state = 'complete', requests, {", ".join(COLUMNS.values())}
            FROM `${{ledger}}.dispatch_state` WHERE run_id = ? ORDER BY started_at, dispatch_id"""  # noqa: S608 - the names are constants


class Dispatch(NamedTuple):
    """A dispatch of a run.

    Attributes:
        is_complete: whether Pub/Sub has confirmed all its jobs.
        requests: number of its requests so far.
        report: what became of the URLs that they have read, as in a response of the dispatcher.
    """

    is_complete: bool
    requests: int
    report: DispatchResponse


def read_dispatch(is_complete: int, requests: int, *values: Any) -> Dispatch:  # noqa: ANN401 - values of columns
    """Return the dispatch in a row of `QUERY`."""
    fields = dict(zip(COLUMNS, values, strict=True)) | {"continues": not is_complete}
    fields |= {name: json.loads(fields[name] or "[]") for name in JSON_FIELDS}
    return Dispatch(bool(is_complete), requests, DispatchResponse.model_validate(fields))


def whole(dispatches: Sequence[Dispatch]) -> Dispatch:
    """Return the sums of the dispatches of a run; it is complete if all of them are."""
    return Dispatch(
        all(each.is_complete for each in dispatches),
        sum(each.requests for each in dispatches),
        reduce(added, (each.report for each in dispatches)),
    )
