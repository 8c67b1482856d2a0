"""A recipe written as YAML: by itself, or inside of a crawl."""

from pathlib import Path

from console.errors import UsageError
from console.recipes.yaml_file import FaultyFile, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import Undecodable
from contract.recipe import Recipe
from extraction.selectors import CHECKS

WHAT_IT_IS = "a recipe is a mapping: name, fields; or a crawl: name, sources, recipe"


def load_recipe(path: Path) -> Recipe:
    """Read the recipe in a file, which may be a crawl's.

    Raises:
        UsageError: with a line for each fault: `books.yaml:12: fields.price.type: …`.
    """
    try:
        return read_recipe(read_file(path), str(path))
    except FaultyFile as wrong:
        raise UsageError(str(wrong)) from None


def read_recipe(text: bytes, name: str) -> Recipe:
    """Read a recipe from YAML.

    Raises:
        FaultyFile: with every fault.
        UsageError: for bytes that are no text.
    """
    file = read_yaml(text, name, WHAT_IT_IS)
    try:
        if "recipe" in file.document or "sources" in file.document:
            return Crawl.from_document(file.document, CHECKS).recipe
        return Recipe.from_document(file.document, CHECKS)
    except Undecodable as wrong:
        raise file.faulty(wrong.faults) from None


def faults_of_file(path: Path) -> list[str]:
    """Return a line for each fault of a file; none where there are none.

    Raises:
        UsageError: where it cannot be read.
    """
    try:
        read_recipe(read_file(path), str(path))
    except FaultyFile as wrong:
        return wrong.lines
    return []
