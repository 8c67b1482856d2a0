"""The subcommand `shell`: a Python prompt on a page, with the selectors and conversions of recipes."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from console.cli.arguments import DEFAULT_DATA, Data
from console.cli.try_command import DEFAULT_URL, IgnoreRobots, Place, Refresh, SavedUrl, page_options
from console.errors import UsageError
from console.recipes.recipe_file import load_recipe
from console.terminal import open_terminal, print_json, print_line
from contract.request import PLAIN_GET


def shell(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    place: Place,
    recipe_file: Annotated[
        Path | None,
        typer.Option("--recipe", metavar="RECIPE.yaml", help="Offer the items of this recipe or crawl."),
    ] = None,
    command: Annotated[
        str,
        typer.Option("--command", "-c", metavar="EXPRESSION", help="Print its value as JSON, and end."),
    ] = "",
    url: SavedUrl = DEFAULT_URL,
    ignore_robots: IgnoreRobots = False,  # noqa: FBT002 - this argument is a flag of the command
    refresh: Refresh = False,  # noqa: FBT002 - this argument is a flag of the command
    data: Data = DEFAULT_DATA,
) -> None:
    """Open a Python prompt on a page, with css, xpath, jmespath, jsonld, meta, number, date and field.

    Each finds and converts exactly as a worker does. `items()` returns the items of --recipe. A page from the
    site is kept in --data for a day, as for `scrapeq try`.

    Example:
        scrapeq shell https://shop.example/products/1 --recipe crawl.yaml
        scrapeq shell saved-page.html -c 'css("h1")'
    """
    from console.recipes.page_shell import HELP, PageShell, Repl, SelectorError  # noqa: PLC0415 - imports the parsers
    from console.recipes.trial import open_page  # noqa: PLC0415 - imports the parsers

    loaded = load_recipe(recipe_file) if recipe_file else None
    options = page_options(data, url, ignore_robots=ignore_robots, refresh=refresh)
    opened = open_page(place, loaded.request if loaded else PLAIN_GET, options)
    terminal = open_terminal(stderr=bool(command))
    if opened.note:
        print_line(terminal, opened.note)
    try:
        names = PageShell(opened.page, loaded.recipe if loaded else None).names()
        if command:
            print_json(eval(command, names))  # noqa: S307 - the user's own expression, as in `python -c`
            return
    except SelectorError as error:
        raise UsageError(str(error)) from None
    except (SyntaxError, NameError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"{command} cannot be evaluated: {error}") from None
    with suppress(ImportError):  # without readline there is no editing of lines
        import readline  # noqa: F401, PLC0415 - importing it is enough for `input`
    print_line(terminal, f"{opened.page.url} ({len(opened.page.body):,} bytes)")
    Repl(names).interact(banner=HELP, exitmsg="")
