"""Reads a crawl from YAML."""

from datetime import datetime
from pathlib import Path

from console.errors import UsageError
from console.recipes.yaml_file import FaultyFileError, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import UnreadableCrawl
from extraction.selectors import CHECKS

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
    try:
        file = read_yaml(text, name, EXPECTED)
        try:
            return Crawl.from_document(file.document, CHECKS)
        except UnreadableCrawl as error:
            raise file.error_for(error.faults) from None
    except FaultyFileError as error:
        raise UsageError("\n".join(["The crawl was not dispatched.", *error.lines])) from None


def name_run(crawl: Crawl, now: datetime) -> str:
    """Return the crawl's run_id if set, else a new one from the crawl's name and the UTC time in seconds.

    Repeated requests must have the same run_id to make the same jobs, so call this once for each run.
    """
    return crawl.run_id or f"{crawl.name}-{now:%Y-%m-%dT%H:%M:%SZ}"
