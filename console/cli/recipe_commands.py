"""The commands for whoever writes a recipe: try it, check it, have its schema."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.recipes.recipe_file import faults_of_file, load_recipe
from console.terminal import open_terminal, print_line


class Shown(StrEnum):
    """What `try` prints."""

    TABLE = "table"
    JSONL = "jsonl"
    FINDINGS = "findings"


class Described(StrEnum):
    """What a schema is of."""

    RECIPE = "recipe"
    CRAWL = "crawl"


recipe_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check recipes, and describe them to editors."
)


def try_recipe(
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="A recipe, or a crawl, whose recipe is taken.")
    ],
    place: Annotated[str, typer.Argument(metavar="URL|FILE", help="The page, or a file it was saved in.")],
    url: Annotated[
        str,
        typer.Option("--url", metavar="URL", help="Where a saved page was; its links resolve against it."),
    ] = "https://example.com/",
    output: Annotated[
        Shown,
        typer.Option("--format", help="A table, the items as JSON Lines, or the findings as JSON Lines."),
    ] = Shown.TABLE,
    ignore_robots: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--ignore-robots", help="Do not ask the site's robots.txt.")
    ] = False,
) -> None:
    """Try a recipe on one page: its items, and for each field where it came from or why it is missing.

    A URL is fetched as the worker does it, by the settings in this environment. Exit status 1 where the job
    would have failed.
    """
    from console.recipes import trial  # noqa: PLC0415 - the parsers, which no other command needs

    recipe = load_recipe(recipe_file)
    page = trial.open_page(place, url, respect_robots=not ignore_robots)
    tried = trial.attempt(recipe, page)
    if output is Shown.TABLE:
        terminal = open_terminal()
        terminal.print(trial.findings_table(tried))
        for line in trial.closing_lines(tried):
            print_line(terminal, line)
    else:
        lines = trial.items_json_lines if output is Shown.JSONL else trial.findings_json_lines
        for line in lines(tried):
            typer.echo(line)
        if tried.error is not None:
            typer.echo(str(tried.error), err=True)
    if tried.error is not None:
        raise typer.Exit(1)


@recipe_app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipes, or crawls, as YAML.")],
) -> None:
    """Name every fault of recipes and crawls, each with its line; exit status 1 where there are any."""
    terminal = open_terminal()
    faulty = 0
    for file in files:
        lines = faults_of_file(file)
        faulty += bool(lines)
        for line in lines or [f"{file}: well formed"]:
            print_line(terminal, line)
    if faulty:
        raise typer.Exit(1)


@recipe_app.command("schema")
def schema(
    of: Annotated[Described, typer.Argument(help="What it describes.")] = Described.RECIPE,
) -> None:
    """Print the JSON Schema by which an editor completes and checks a recipe or a crawl."""
    from contract.schema import crawl_schema, recipe_schema  # noqa: PLC0415 - no other command needs it

    described = recipe_schema() if of is Described.RECIPE else crawl_schema()
    typer.echo(json.dumps(described, indent=2, ensure_ascii=False))
