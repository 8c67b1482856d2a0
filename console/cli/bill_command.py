"""The subcommand `bill`: what a run has cost."""

from datetime import UTC, datetime

from console.cli.arguments import DEFAULT_DATA, AsJson, Data, Run
from console.ledger.host_rows import host_rows
from console.ledger.open_ledger import open_ledger
from console.ledger.use_rows import run_use
from console.money.forecast import NOT_INCLUDED, forecast, prices_line
from console.money.run_bill import part_rows, run_bill, use_lines
from console.report.tables import text_table
from console.terminal import open_terminal, print_json, print_line


def bill(
    run: Run = None,
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Show what a run has cost on Google Cloud by the ledger's rows, beside the forecast for its jobs.

    The ledger does not know how many attempts shared an instance, so the cost of the worker has a low, a
    likely and a high value. The monthly bill of Google is the only exact number.

    Example: scrapeq bill
    """
    ledger, terminal = open_ledger(data), open_terminal()
    run_id = ledger.resolve_run(run)
    use = run_use(ledger, run_id)
    found = run_bill(use)
    longest = max((host.jobs for host in host_rows(ledger, run_id)), default=0)
    seconds = use.delay_seconds * max(0, longest - 1)
    expected = forecast(use.jobs, round(use.message_bytes / max(1, use.messages)), seconds)
    if as_json:
        parts = {name: vars(cost) for name, cost in found.parts.items()}
        use_now = use._asdict() | {"pushes": use.pushes}
        print_json(
            {"run_id": run_id, "use": use_now, "parts": parts}
            | {"total": vars(found.total), "forecast": vars(expected)}
        )
        return
    print_line(terminal, f"run {run_id}")
    for line in use_lines(use):
        print_line(terminal, f"  {line}")
    table = text_table("on Google Cloud", "low", "likely", "high")
    for row in part_rows(found):
        table.add_texts(*row)
    terminal.print(table)
    print_line(terminal, f"forecast for {use.jobs:,} jobs: {expected}")
    print_line(terminal, f"{NOT_INCLUDED} {prices_line(datetime.now(UTC).date())}")
