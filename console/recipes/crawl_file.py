"""A crawl written as YAML."""

from datetime import datetime
from pathlib import Path

from console.errors import UsageError
from console.recipes.yaml_file import FaultyFile, read_file, read_yaml
from contract.crawl import Crawl
from contract.faults import UnreadableCrawl
from extraction.selectors import CHECKS

WHAT_IT_IS = "a crawl is a mapping: name, sources, recipe"


def load_crawl(path: Path) -> Crawl:
    """Read the crawl in a file.

    Raises:
        UsageError: with a line for each fault: `books.yaml:12: recipe.fields.price.type: …`.
    """
    return read_crawl(read_file(path), str(path))


def read_crawl(text: bytes, name: str) -> Crawl:
    """Read a crawl from YAML; see `load_crawl`."""
    try:
        file = read_yaml(text, name, WHAT_IT_IS)
        try:
            return Crawl.from_document(file.document, CHECKS)
        except UnreadableCrawl as wrong:
            raise file.faulty(wrong.faults) from None
    except FaultyFile as wrong:
        raise UsageError("\n".join(["The crawl was not dispatched.", *wrong.lines])) from None


def name_run(crawl: Crawl, now: datetime) -> str:
    """Return the run's id: the file's own, else name and UTC second, so that a repeat makes the same jobs."""
    return crawl.run_id or f"{crawl.name}-{now:%Y-%m-%dT%H:%M:%SZ}"
