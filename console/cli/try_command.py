"""The subcommand `try`: applies a recipe to one page, once or whenever the recipe is saved."""

import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from console.cli.arguments import DEFAULT_DATA, Data, choices
from console.errors import ConsoleError
from console.recipes.recipe_file import load_recipe
from console.recipes.watch import saves
from console.stack.signals import raise_on_signals
from console.stack.stack_file import fetch_settings
from console.terminal import is_interactive, open_terminal, print_data, print_line

if TYPE_CHECKING:
    from console.recipes.trial import PageOptions

Place = Annotated[
    str, typer.Argument(metavar="URL|FILE", help="URL of the page, or a file in which it was saved.")
]
SavedUrl = Annotated[
    str, typer.Option("--url", metavar="URL", help="URL of a saved page, the base of its links.")
]
IgnoreRobots = Annotated[bool, typer.Option("--ignore-robots", help="Ignore the site's robots.txt.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Fetch the page even if it is in the cache.")]
DEFAULT_URL = "https://example.com/"


class TryFormat(StrEnum):
    """Output format of `try`."""

    TABLE = "table"
    JSONL = "jsonl"
    FINDINGS = "findings"


def page_options(data: Path, url: str, *, ignore_robots: bool, refresh: bool) -> "PageOptions":
    """Return how the page of `try`, `shell` and `init` is opened: with the cache of a data directory."""
    from console.recipes.page_cache import PageCache  # noqa: PLC0415 - imports the parsers
    from console.recipes.trial import PageOptions  # noqa: PLC0415 - imports the parsers

    return PageOptions(
        url=url,
        respect_robots=not ignore_robots,
        settings=fetch_settings(data, os.environ),
        cache=PageCache(data / "pages"),
        refresh=refresh,
    )


def try_recipe(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="A recipe, or a crawl that contains one.")
    ],
    place: Place,
    url: SavedUrl = DEFAULT_URL,
    output: Annotated[
        TryFormat,
        typer.Option(
            "--format",
            metavar=choices(TryFormat),
            help="A table, the items as JSON Lines, or the findings as JSON Lines.",
        ),
    ] = TryFormat.TABLE,
    ignore_robots: IgnoreRobots = False,  # noqa: FBT002 - this argument is a flag of the command
    refresh: Refresh = False,  # noqa: FBT002 - this argument is a flag of the command
    watch: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--watch", help="Try again whenever the recipe is saved, until Ctrl-C.")
    ] = False,
    as_json: Annotated[  # noqa: FBT002 - this argument is a flag of the command
        bool, typer.Option("--json", help="The same as --format jsonl.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Try a recipe on one page: show the items, and for each field its source or why the field is missing.

    A URL is fetched with the worker's code, with the settings of this environment, and from the networks that
    the last `scrapeq up` in --data allows, such as the loopback interface. The page is kept in --data for a
    day, so that the next try makes no request. The exit status is 1 if a job with this page would fail.

    Example:
        scrapeq try crawl.yaml https://shop.example/products/1 --watch
        scrapeq try crawl.yaml saved-page.html --url https://shop.example/products/1 --format jsonl
    """
    output = TryFormat.JSONL if as_json else output
    options = page_options(data, url, ignore_robots=ignore_robots, refresh=refresh)
    if not watch:
        if not _try_once(recipe_file, place, output, options):
            raise typer.Exit(1)
        return
    terminal = open_terminal(stderr=output is not TryFormat.TABLE)
    watched = [recipe_file, *([path] if (path := Path(place)).is_file() else [])]
    with raise_on_signals():
        try:
            saved = saves(watched)  # begins before the first try, during which the recipe may be saved
            _try_and_report(terminal, recipe_file, place, output, options)
            for _ in saved:
                _try_and_report(terminal, recipe_file, place, output, options._replace(refresh=False))
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _try_and_report(
    terminal: Console, recipe_file: Path, place: str, output: TryFormat, options: "PageOptions"
) -> None:
    """Try a recipe; print an error of the recipe or the page instead of ending."""
    if is_interactive(terminal):
        terminal.clear()
    try:
        _try_once(recipe_file, place, output, options)
    except ConsoleError as error:
        print_line(terminal, str(error))
    print_line(terminal, f"{datetime.now().astimezone():%H:%M:%S} Waiting until {recipe_file} is saved …")


def _try_once(recipe_file: Path, place: str, output: TryFormat, options: "PageOptions") -> bool:
    """Print the result of a recipe; return whether a job with the page would succeed.

    Raises:
        ConsoleError: the recipe has faults, or the page could not be opened.
    """
    from console.recipes import trial  # noqa: PLC0415 - imports the parsers, which only this command needs
    from extraction.explain import explain  # noqa: PLC0415 - imports the parsers, too

    loaded = load_recipe(recipe_file)
    opened = trial.open_page(place, loaded.request, options)
    explained = explain(loaded.recipe, opened.page)
    is_table = output is TryFormat.TABLE
    if opened.note:
        print_line(open_terminal(stderr=not is_table), opened.note)
    if is_table:
        terminal = open_terminal()
        terminal.print(trial.findings_table(explained))
        for line in trial.summary_lines(explained):
            print_line(terminal, line)
        return explained.error is None
    lines = trial.items_json_lines if output is TryFormat.JSONL else trial.findings_json_lines
    for line in lines(explained):
        print_data(line)
    if explained.error is not None:
        print_line(open_terminal(stderr=True), str(explained.error))
    return explained.error is None
