"""The subcommand `init`: drafts a first crawl from one page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, AsJson, Data
from console.cli.try_command import DEFAULT_URL, IgnoreRobots, Place, Refresh, SavedUrl, page_options
from console.errors import NothingDraftedError, UsageError
from console.recipes.recipe_file import read_recipe
from console.report.output_file import write_whole
from console.stack.stack_file import data_option
from console.terminal import open_terminal, print_json, print_line
from contract.request import PLAIN_GET


def init(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    place: Place,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write the crawl to this file.")
    ] = Path("crawl.yaml"),
    url: SavedUrl = DEFAULT_URL,
    force: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--force", help="Replace an existing file without asking.")
    ] = False,
    ignore_robots: IgnoreRobots = False,  # noqa: FBT002 - this argument is a flag of the command
    refresh: Refresh = False,  # noqa: FBT002 - this argument is a flag of the command
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Draft a crawl from a page: the fields that its JSON-LD, metas, headings and tables offer.

    Each field is tried on the page first, so `scrapeq try` finds a value for all of them. An existing file is
    replaced only after a question, or with --force.

    Example: scrapeq init https://shop.example/products/1 -o shop.yaml
    """
    from console.recipes.draft import draft_crawl, draft_fields  # noqa: PLC0415 - imports the parsers
    from console.recipes.trial import is_url, open_page  # noqa: PLC0415 - imports the parsers

    terminal = open_terminal(stderr=as_json)
    if output.exists() and not force:
        if not sys.stdin.isatty():
            raise UsageError(f"{output} exists. Replace it with --force, or choose another with --output.")
        typer.confirm(f"{output} exists. Replace it?", abort=True)
    options = page_options(data, url, ignore_robots=ignore_robots, refresh=refresh)
    opened = open_page(place, PLAIN_GET, options)
    if opened.note:
        print_line(terminal, opened.note)
    fields = draft_fields(opened.page)
    if not fields:
        raise NothingDraftedError(
            f"Nothing was drafted: {place} has no JSON-LD, meta, heading, table or JSON with values."
        )
    text = draft_crawl(place if is_url(place) else url, fields, place)
    read_recipe(text.encode(), str(output))  # a draft with faults is not written
    write_whole(output, [text])
    if as_json:
        print_json({"file": str(output), "fields": [field.name for field in fields]})
        return
    print_line(terminal, f"{len(fields)} fields are drafted in {output}: {', '.join(f.name for f in fields)}")
    print_line(terminal, f"Try them: scrapeq try {output} {place}{data_option(data)}")
