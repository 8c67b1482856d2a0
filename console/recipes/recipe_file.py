"""Reads a recipe from YAML: from a recipe file, or from a crawl that contains a recipe."""

from pathlib import Path
from typing import NamedTuple

from console.errors import UsageError
from console.recipes.recipe_warnings import recipe_warnings, request_warnings
from console.recipes.yaml_file import FaultyFileError, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import Fault, Undecodable
from contract.recipe import Recipe
from contract.request import PLAIN_GET, PageRequest

EXPECTED = "a recipe is a mapping with name and fields; a crawl has name, sources and recipe"


class RecipeFile(NamedTuple):
    """A recipe, and what its file says about its pages.

    Attributes:
        recipe: the recipe.
        request: how the pages of the crawl are requested; a plain GET if the file is no crawl.
        warnings: a line for each key that is valid but probably wrong, with the file's name and the line.
    """

    recipe: Recipe
    request: PageRequest = PLAIN_GET
    warnings: tuple[str, ...] = ()


def load_recipe(path: Path) -> RecipeFile:
    """Read a recipe from a recipe file or a crawl file.

    Raises:
        UsageError: the file cannot be read, or it has faults; the message has a line for each fault, for
            example `books.yaml:12: fields.price.type: …`.
    """
    try:
        return read_recipe(read_file(path), str(path))
    except FaultyFileError as error:
        raise UsageError(str(error)) from None


def read_recipe(text: bytes, name: str) -> RecipeFile:
    """Read a recipe from YAML.

    Args:
        text: the YAML of a recipe or a crawl.
        name: name of the file in the messages about faults.

    Raises:
        FaultyFileError: the recipe has faults.
    """
    from extraction.selectors import CHECKS  # noqa: PLC0415 - imports the parsers, which most commands do not need

    file = read_yaml(text, name, EXPECTED)
    try:
        if "recipe" in file.document or "sources" in file.document:
            crawl = Crawl.from_document(file.document, CHECKS)
            recipe, request, prefix = crawl.recipe, crawl.request, "recipe."
        else:
            recipe, request, prefix = Recipe.from_document(file.document, CHECKS), PLAIN_GET, ""
    except Undecodable as error:
        raise file.error_for(error.faults) from None
    warnings = [Fault(prefix + path, f"warning: {message}") for path, message in recipe_warnings(recipe)]
    warnings += [Fault(path, f"warning: {message}") for path, message in request_warnings(request)]
    return RecipeFile(recipe, request, tuple(file.error_for(warnings).lines))


def check_file(path: Path) -> tuple[list[str], list[str]]:
    """Return a line for each fault of a file, and a line for each warning.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return [], list(read_recipe(read_file(path), str(path)).warnings)
    except FaultyFileError as error:
        return error.lines, []
