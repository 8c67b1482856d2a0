"""The subcommands `recipe check` and `recipe schema`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.application import ScrapeqTyper
from console.cli.arguments import AsJson, choices
from console.recipes.recipe_file import check_file
from console.terminal import open_terminal, print_data, print_json, print_line


class SchemaKind(StrEnum):
    """The kind of file that a schema describes."""

    RECIPE = "recipe"
    CRAWL = "crawl"


recipe_app = ScrapeqTyper(
    help="""Check recipes, and print their JSON Schema.

Example: scrapeq recipe check crawl.yaml"""
)


@recipe_app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipes or crawls, as YAML.")],
    as_json: AsJson = False,  # noqa: FBT002 - this argument is a flag of the command
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
        if as_json:
            print_json({"file": str(file), "valid": not faults, "faults": faults, "warnings": warnings})
            continue
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
