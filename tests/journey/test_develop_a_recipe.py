"""Follows docs/how-to/develop-a-recipe.md to its end, with the commands of the page in their order."""

import re
from typing import Final

import pytest

from console.stack.ports import free_port
from scripts.guide_run import ROOT, Ran, run_guide
from tests.console.detached import FREE_PORTS
from tests.journey.guides import unexpected_ends

GUIDE: Final = ROOT / "docs" / "how-to" / "develop-a-recipe.md"
WATCH: Final = "scrapeq try stock.yaml http://127.0.0.1:8090/products/the-bell-founder --watch"
#: Exit statuses other than 0: two pages die, and Ctrl-C ends the watch.
STATUSES: Final = {"scrapeq dispatch stock.yaml --wait": 3, WATCH: 130}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Return each command of the page with what it printed; the site has a free port."""
    folder = tmp_path_factory.mktemp("recipe")
    ended = run_guide(GUIDE, folder, FREE_PORTS, str(free_port()))
    return {each.line: each for each in ended}


def test_every_command_of_the_guide_ends_as_the_page_says(ran: dict[str, Ran]) -> None:
    """Each command has the exit status 0, or the one that the page names."""
    assert unexpected_ends(ran, STATUSES) == {}
    assert set(STATUSES) <= set(ran)


def test_the_guide_shows_what_the_page_promises(ran: dict[str, Ran]) -> None:
    """The cache, the watch, the reasons, the canary and the accounting are as the page says."""

    def output(start: str, end: str = "") -> str:
        found = [each.output for line, each in ran.items() if line.startswith(start) and line.endswith(end)]
        assert found, start
        return found[0]

    # The page is kept, and is fetched again only with --refresh
    assert "title, image, creator, price_currency, price, availability" in output("scrapeq init")
    assert "The page is from the cache" in output("scrapeq try draft.yaml")
    assert "The page is from the cache" in output("scrapeq try stock.yaml", "pilot-whistle")
    assert "from the cache" not in output("scrapeq try stock.yaml", "--refresh")
    assert '["In stock (1 piece)"]' in output("scrapeq shell")
    # The watch tries the recipe before and after it was mended
    before, after = re.split(r"Waiting until stock.yaml is saved", output(WATCH))[:2]
    assert "The job would fail. missing_field: copies" in before
    assert "1 item" in after
    # Two of four pages die, and only they are replaced
    assert "dispatched=4 succeeded=2 dead=2" in output("scrapeq dispatch")
    assert "missing_field at 127.0.0.1: 2 dead letters" in output("scrapeq dead list")
    assert "2 to replay" in output("scrapeq dead replay", "--dry-run")
    assert "dispatched=6 succeeded=4 dead=0 replaced=2 in_flight=0" in output("scrapeq wait")
    rows = output("scrapeq results").splitlines()
    assert sorted(row.rsplit(",", 1)[-1] for row in rows) == ["0", "0", "1", "5", "copies"]
