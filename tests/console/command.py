"""The type of the fixture `scrapeq`."""

from collections.abc import Callable

from typer.testing import Result

Scrapeq = Callable[..., Result]
