"""The screen of the items of a run: table, downloads, and the difference to the previous run."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import flask
from flask import Blueprint, Response, abort, render_template

from console.ledger.field_rows import previous_run
from console.ledger.ledger import Result
from console.report.export import csv_lines, exported_items, field_names, json_lines
from console.web.context import argument, console_options, page_number
from console.web.item_difference import difference
from console.web.item_rows import ItemRow, matching, sorted_rows

SCREEN = Blueprint("items", __name__)
MAX_PAGES = 5_000  #: number of scraped pages whose items the table and the difference read
ROWS = 50
MAX_COLUMNS = 12
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@SCREEN.get("/items")
def items() -> str:
    """Show the items of a run as a table."""
    ledger = console_options().ledger
    runs = ledger.runs()
    run_id = ledger.resolve_run(argument("run") or None) if runs else ""
    results = _results(run_id) if run_id else []
    rows = [ItemRow(result, item) for result in results for item in result.items]
    names = list(dict.fromkeys(name for row in rows for name in row.item))
    found = sorted_rows(
        matching(rows, argument("text")), argument("sort"), descending=argument("order") == "desc"
    )
    page = page_number()
    shown = found[(page - 1) * ROWS : page * ROWS]
    return render_template(
        "items.html",
        runs=runs[:200],
        run_id=run_id,
        names=names[:MAX_COLUMNS],
        more_names=names[MAX_COLUMNS:],
        total=len(rows),
        found=len(found),
        rows=shown,
        numeric=_numeric(shown),
        page=page,
        has_more=len(found) > page * ROWS,
        text=argument("text"),
        sort=argument("sort"),
        order=argument("order"),
        is_whole=len(results) < MAX_PAGES,
        max_pages=MAX_PAGES,
        before=previous_run(ledger, run_id) if run_id else None,
    )


@SCREEN.get("/items/download.<form>")
def download(form: str) -> flask.typing.ResponseReturnValue:
    """Send all items of a run as CSV or JSON Lines, while they are read."""
    if form not in CONTENT_TYPES:
        abort(404, "Items are sent as csv or jsonl.")
    ledger = console_options().ledger
    run_id = ledger.resolve_run(argument("run") or None)
    if form == "csv":
        names = field_names(exported_items(ledger.results(run_id), None, ()))
        lines = csv_lines(run_id, exported_items(ledger.results(run_id), None, ()), names)
    else:
        lines = (f"{line}\n" for line in json_lines(run_id, exported_items(ledger.results(run_id), None, ())))
    safe = "".join(character if character.isalnum() or character in "-_" else "_" for character in run_id)
    disposition = {"Content-Disposition": f'attachment; filename="{safe}.{form}"'}
    return Response(_encoded(lines), content_type=CONTENT_TYPES[form], headers=disposition)


@SCREEN.get("/items/difference")
def compare() -> str:
    """Show what has changed since an earlier run: pages that are new or missing, and values that differ."""
    ledger = console_options().ledger
    run_id = ledger.resolve_run(argument("run") or None)
    before = argument("before") or previous_run(ledger, run_id)
    if not before:
        abort(404, f"There is no run of the same crawl before {run_id}.")
    before = ledger.resolve_run(before)
    results, earlier = _results(run_id), _results(before)
    return render_template(
        "difference.html",
        run_id=run_id,
        before=before,
        difference=difference(earlier, results),
        is_whole=len(results) < MAX_PAGES and len(earlier) < MAX_PAGES,
        max_pages=MAX_PAGES,
    )


def _numeric(rows: list[ItemRow]) -> set[str]:
    """Return the names of the fields with numbers, whose columns are aligned to the right."""
    return {name for row in rows for name, value in row.item.items() if isinstance(value, int | float)}


def _results(run_id: str) -> list[Result]:
    return list(islice(console_options().ledger.results(run_id), MAX_PAGES))


def _encoded(lines: Iterator[Any]) -> Iterator[bytes]:
    return (line.encode(errors="replace") for line in lines)
