"""Follows docs/tutorial/tour.md to its end, with the commands of the page in their order."""

import re
from collections.abc import Callable
from functools import partial

import pytest

from console.ledger.ledger import Accounting
from console.ledger.open_ledger import open_ledger
from console.stack.ports import free_port
from scripts.guide_run import Ran, run_guide
from scripts.picture_text import picture_lines, stable_lines
from scripts.tour_picture import GUIDE, PICTURE, draw
from tests.console.detached import FREE_PORTS
from tests.journey.guides import unexpected_ends
from tests.servers.waiting import wait_for

#: Exit statuses other than 0.
STATUSES = {"scrapeq wait tour-1 --timeout 20": 124, "scrapeq wait tour-1 --timeout 10": 124}
#: What the page says about the run after these commands. A busy machine may need longer for it.
REACHED: dict[str, Callable[[Accounting], bool]] = {
    "scrapeq wait tour-1 --timeout 20": lambda now: now.dead == 2,
    "scrapeq wait tour-1 --timeout 10": lambda now: now.succeeded == 2,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Return each command of the page with what it printed; the site has a free port."""
    folder = tmp_path_factory.mktemp("tour")
    ran = dict[str, Ran]()
    for each in run_guide(GUIDE, folder, FREE_PORTS, str(free_port())):
        ran[each.line] = each
        if each.line in REACHED:
            read = partial(open_ledger(folder / ".scrapeq").accounting, "tour-1")
            wait_for(read, REACHED[each.line], each.line)
    return ran


def test_every_command_of_the_tour_ends_as_the_page_says(ran: dict[str, Ran]) -> None:
    """Each command has the exit status 0, or the one that the page names."""
    assert unexpected_ends(ran, STATUSES) == {}
    assert set(STATUSES) == set(REACHED) <= set(ran)


def test_the_tour_shows_what_the_page_promises(ran: dict[str, Ran]) -> None:
    """The retried page, the reason of the dead ones, the mended values and the accounting are found."""

    def output(start: str) -> str:
        return next(each.output for line, each in ran.items() if line.startswith(start))

    assert "ghost-organ" in output("scrapeq status")
    assert "http_5xx" in output("scrapeq job")
    assert "missing_field" in output("scrapeq dead list")
    assert "38" in output("scrapeq shell")
    assert re.search(r"replaced=2\b", output("scrapeq cancel"))
    assert re.search(r"cancelled=1\b", output("scrapeq cancel"))
    rows = output("scrapeq results").splitlines()
    assert sorted(row.rsplit(",", 1)[-1] for row in rows) == ["12", "38", "price"]
    assert "accounting:" in output("scrapeq down")


def test_picture_shows_commands_and_cuts_long_outputs() -> None:
    """The SVG has each command, at most a part of its output, and loads nothing."""
    svg = draw([Ran("scrapeq runs", "\n".join(f"line{n}" for n in range(40)), 0)])
    assert "scrapeq" in svg
    assert "line1" in svg
    assert "line39" not in svg
    assert "url(http" not in svg


def test_the_page_names_the_recording() -> None:
    """The recording stands at the end of the page."""
    assert "(../images/tour.svg)" in GUIDE.read_text(encoding="utf-8")


def test_the_recording_agrees_with_what_the_commands_print(ran: dict[str, Ran]) -> None:
    """Each line of the recording without a number is printed today; if not, run `make tour-picture`."""
    recorded = "\n".join(picture_lines(PICTURE.read_text(encoding="utf-8")))
    today = "\n".join(picture_lines(draw(list(ran.values()))))
    assert stable_lines(recorded) - stable_lines(today) == set()
    assert len(stable_lines(recorded)) > 10
