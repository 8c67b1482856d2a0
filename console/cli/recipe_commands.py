"""The subcommands for recipes: `try`, `recipe check` and `recipe schema`."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.application import ScrapeqTyper
from console.cli.arguments import DEFAULT_DATA, Data, choices
from console.recipes.recipe_file import check_file, load_recipe
from console.stack.stack_file import fetch_settings
from console.terminal import open_terminal, print_data, print_line


class TryFormat(StrEnum):
    """Output format of `try`."""

    TABLE = "table"
    JSONL = "jsonl"
    FINDINGS = "findings"


class SchemaKind(StrEnum):
    """The kind of file that a schema describes."""

    RECIPE = "recipe"
    CRAWL = "crawl"


recipe_app = ScrapeqTyper(
    help="""Check recipes, and print their JSON Schema.

Example: scrapeq recipe check crawl.yaml"""
)


def try_recipe(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="A recipe, or a crawl that contains one.")
    ],
    place: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="URL of the page, or a file in which it was saved.")
    ],
    url: Annotated[
        str,
        typer.Option("--url", metavar="URL", help="URL of a saved page, the base of its links."),
    ] = "https://example.com/",
    output: Annotated[
        TryFormat,
        typer.Option(
            "--format",
            metavar=choices(TryFormat),
            help="A table, the items as JSON Lines, or the findings as JSON Lines.",
        ),
    ] = TryFormat.TABLE,
    ignore_robots: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--ignore-robots", help="Ignore the site's robots.txt.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Try a recipe on one page: show the items, and for each field its source or why the field is missing.

    A URL is fetched with the worker's code, with the settings of this environment, and from the networks that
    the last `scrapeq up` in --data allows, such as the loopback interface. The exit status is 1 if a job with
    this page would fail.

    Example:
        scrapeq try crawl.yaml https://shop.example/products/1
        scrapeq try crawl.yaml saved-page.html --url https://shop.example/products/1 --format jsonl
    """
    from console.recipes import trial  # noqa: PLC0415 - imports the parsers, which only this command needs
    from extraction.explain import explain  # noqa: PLC0415 - imports the parsers, too

    loaded = load_recipe(recipe_file)
    page = trial.open_page(
        place,
        url,
        respect_robots=not ignore_robots,
        request=loaded.request,
        settings=fetch_settings(data, os.environ),
    )
    explained = explain(loaded.recipe, page)
    if output is TryFormat.TABLE:
        terminal = open_terminal()
        terminal.print(trial.findings_table(explained))
        for line in trial.summary_lines(explained):
            print_line(terminal, line)
    else:
        lines = trial.items_json_lines if output is TryFormat.JSONL else trial.findings_json_lines
        for line in lines(explained):
            print_data(line)
        if explained.error is not None:
            print_line(open_terminal(stderr=True), str(explained.error))
    if explained.error is not None:
        raise typer.Exit(1)


@recipe_app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipes or crawls, as YAML.")],
) -> None:
    """Report every fault of recipes and crawls with its line, and what is probably wrong as a warning.

    The exit status is 1 if a file has faults. Warnings do not change it.

    Example: scrapeq recipe check crawl.yaml
    """
    terminal = open_terminal()
    faulty_files = 0
    for file in files:
        faults, warnings = check_file(file)
        faulty_files += bool(faults)
        for line in faults or [*warnings, f"{file}: valid"]:
            print_line(terminal, line)
    if faulty_files:
        raise typer.Exit(1)


@recipe_app.command("schema")
def schema(
    of: Annotated[
        SchemaKind, typer.Argument(metavar=choices(SchemaKind), help="The kind of file to describe.")
    ] = SchemaKind.RECIPE,
) -> None:
    """Print the JSON Schema with which an editor completes and checks a recipe or a crawl.

    Example: scrapeq recipe schema crawl > crawl.schema.json
    """
    from contract.schema import crawl_schema, recipe_schema  # noqa: PLC0415 - only this command needs it

    document = recipe_schema() if of is SchemaKind.RECIPE else crawl_schema()
    print_data(json.dumps(document, indent=2, ensure_ascii=False))
