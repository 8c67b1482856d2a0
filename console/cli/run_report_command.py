"""The subcommand `report`: one page about a run, to send to somebody."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Run
from console.ledger.open_ledger import open_ledger
from console.report.output_file import write_whole
from console.terminal import open_terminal, print_json, print_line


def report(
    run: Run = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write the page to this file.")
    ] = Path("report.html"),
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Write a page about a run: its numbers, charts, reasons, dead letters, hosts, fields and examples.

    The page is one file of HTML. It loads nothing and has no script, so it can be sent to somebody who has
    no access to the ledger. It contains URLs and examples of items.

    Example: scrapeq report -o report.html
    """
    from console.report.report_page import report_page  # noqa: PLC0415 - only this command needs it
    from console.report.run_report import run_report  # noqa: PLC0415 - as above

    ledger = open_ledger(data)
    run_id = ledger.resolve_run(run)
    write_whole(output, [report_page(run_report(ledger, run_id, datetime.now(UTC)))])
    if as_json:
        print_json({"run_id": run_id, "file": str(output)})
    else:
        print_line(open_terminal(), f"The report of run {run_id} is in {output}")
