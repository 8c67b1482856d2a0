"""Defines options and arguments that several subcommands have."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_DATA = Path(".scrapeq")
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Directory of the queue, the ledger and the logs.")
]
Run = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The run_id that `dispatch` printed. Default: the latest run."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object on each line.")]
