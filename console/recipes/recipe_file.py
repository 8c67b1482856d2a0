"""Reads a recipe from YAML: from a recipe file, or from a crawl that contains a recipe."""

from pathlib import Path

from console.errors import UsageError
from console.recipes.yaml_file import FaultyFileError, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import Undecodable
from contract.recipe import Recipe
from extraction.selectors import CHECKS

EXPECTED = "a recipe is a mapping with name and fields; a crawl has name, sources and recipe"


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a recipe file or a crawl file.

    Raises:
        UsageError: the file cannot be read, or it has faults; the message has a line for each fault, for
            example `books.yaml:12: fields.price.type: …`.
    """
    try:
        return read_recipe(read_file(path), str(path))
    except FaultyFileError as error:
        raise UsageError(str(error)) from None


def read_recipe(text: bytes, name: str) -> Recipe:
    """Read a recipe from YAML.

    Args:
        text: the YAML of a recipe or a crawl.
        name: name of the file in the messages about faults.

    Raises:
        FaultyFileError: the recipe has faults.
    """
    file = read_yaml(text, name, EXPECTED)
    try:
        if "recipe" in file.document or "sources" in file.document:
            return Crawl.from_document(file.document, CHECKS).recipe
        return Recipe.from_document(file.document, CHECKS)
    except Undecodable as error:
        raise file.error_for(error.faults) from None


def faults_of_file(path: Path) -> list[str]:
    """Return a line for each fault of a file, or an empty list if the file is valid.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        read_recipe(read_file(path), str(path))
    except FaultyFileError as error:
        return error.lines
    return []
