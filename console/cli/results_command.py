"""The subcommand `results`: the items of a run, as a table or for other programs."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, Data, Run, choices
from console.errors import UsageError
from console.ledger.field_names import check_fields
from console.ledger.ledger import Ledger
from console.ledger.open_ledger import open_ledger
from console.report.export import ExportedItem, csv_lines, exported_items, field_names, json_lines
from console.report.listings import listing_lines
from console.report.output_file import whole_file, write_whole
from console.report.parquet import fallback_line, field_kinds, write_parquet
from console.report.tables import results_table
from console.terminal import open_terminal, print_data, print_json, print_line

MAX_TABLE_PAGES = 1_000  #: maximum number of pages in a table, if --limit is missing


class Format(StrEnum):
    """Output format of results."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help=f"At most N items; of a table at most N pages, by default {MAX_TABLE_PAGES:,}.",
        min=1,
    ),
]
Fields = Annotated[str, typer.Option(metavar="NAME,NAME", help="Only these fields, in this order.")]
JsonItems = Annotated[
    bool,
    typer.Option("--json", help="As --format jsonl; with --output, print what was written as JSON."),
]


def results(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Run = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            metavar=choices(Format),
            help="A table with a row for each page; or one row for each item in the other formats.",
        ),
    ] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JSON Lines, CSV or Parquet to this file.")
    ] = None,
    limit: Limit = None,
    fields: Fields = "",
    as_json: JsonItems = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show the results of a run: one row for each page that was scraped, or for all pages of a listing.

    A listing is a page whose recipe has `next`, and the pages that follow it. If pages of a listing are
    missing, a line after the table shows where it ended or broke off, and why.

    The other formats have one row for each item: its page's URL, the run and the time, and its fields. A
    file has its name once it is complete. In CSV, a text that a program for spreadsheets would run as a
    formula begins with an apostrophe. Parquet needs the extra `scrapeq[parquet]`.

    Example: scrapeq results --format csv --output items.csv --fields title,price
    """
    ledger, terminal = open_ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    form = _json_format(form, output) if as_json else form
    chosen = [name for name in map(str.strip, fields.split(",")) if name]
    check_fields(ledger, run_id, chosen)
    if form is Format.TABLE:
        if output:
            raise UsageError("--output needs --format jsonl, --format csv or --format parquet.")
        _print_results(terminal, ledger, run_id, limit or MAX_TABLE_PAGES, chosen)
        return

    def items() -> Iterator[ExportedItem]:
        return exported_items(ledger.results(run_id), limit, chosen)

    if form is Format.PARQUET:
        count = _write_parquet(terminal, output, run_id, items, chosen)
    else:
        if form is Format.CSV:
            lines = csv_lines(run_id, items(), chosen or field_names(items()))
        else:
            lines = (f"{line}\n" for line in json_lines(run_id, items()))
        if output is None:
            for line in lines:
                print_data(line.removesuffix("\n"))
            return
        count = write_whole(output, lines) - (form is Format.CSV)
    if as_json:
        print_json({"run_id": run_id, "file": str(output), "items": count})
    else:
        print_line(terminal, f"{count} items written to {output}")


def _json_format(form: Format, output: Path | None) -> Format:
    """Return the format of the items with --json: JSON Lines instead of a table.

    Raises:
        UsageError: another format would go to standard output.
    """
    if form in {Format.TABLE, Format.JSONL}:
        return Format.JSONL
    if output is None:
        raise UsageError(f"--json and --format {form} go together only with --output FILE.")
    return form


def _write_parquet(
    terminal: Console,
    output: Path | None,
    run_id: str,
    items: Callable[[], Iterator[ExportedItem]],
    chosen: list[str],
) -> int:
    if output is None:
        raise UsageError("--format parquet needs --output FILE, because it is not a text.")
    kinds = dict.fromkeys(chosen, "null") | field_kinds(items())
    with whole_file(output) as file:
        count = write_parquet(file, run_id, items(), kinds)
    if line := fallback_line(kinds):
        print_line(terminal, line)
    return count


def _print_results(terminal: Console, ledger: Ledger, run_id: str, limit: int, chosen: list[str]) -> None:
    found = list(islice(ledger.results(run_id), limit + 1))
    is_long = len(found) > limit
    count = ledger.accounting(run_id).succeeded if is_long else len(found)
    print_line(terminal, f"run {run_id}: {count} jobs succeeded")
    if found:
        terminal.print(results_table(found[:limit], terminal.width, chosen))
    if is_long:
        shown = "1 page is" if limit == 1 else f"{limit:,} pages are"
        print_line(terminal, f"The first {shown} shown; --limit shows more, and --format csv has all items.")
    for line in listing_lines(ledger.listings(run_id)):
        print_line(terminal, line)
