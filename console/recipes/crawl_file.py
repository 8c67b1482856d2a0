"""Reads a crawl from YAML."""

from pathlib import Path

from console.errors import UsageError
from console.recipes.yaml_file import FaultyFileError, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import UnreadableCrawl

EXPECTED = "a crawl is a mapping with name, sources and recipe"


def load_crawl(path: Path) -> Crawl:
    """Read a crawl from a file.

    Raises:
        UsageError: the file cannot be read, or it has faults; the message has a line for each fault, for
            example `books.yaml:12: recipe.fields.price.type: …`.
    """
    return read_crawl(read_file(path), str(path))


def read_crawl(text: bytes, name: str) -> Crawl:
    """Read a crawl from YAML; see `load_crawl`."""
    from extraction.selectors import CHECKS  # noqa: PLC0415 - imports the parsers, which most commands do not need

    try:
        file = read_yaml(text, name, EXPECTED)
        try:
            return Crawl.from_document(file.document, CHECKS)
        except UnreadableCrawl as error:
            raise file.error_for(error.faults) from None
    except FaultyFileError as error:
        raise UsageError("\n".join(["The crawl has faults, so nothing was sent:", *error.lines])) from None
