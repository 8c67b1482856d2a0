"""Tests that the pictures of the documentation show commands that exist, those of the guide."""

import pytest

from scripts.guide_run import ROOT, SKIPPED
from scripts.guide_steps import Command, steps
from scripts.picture_text import picture_commands, picture_lines, stable_lines
from scripts.tour_picture import GUIDE, PICTURE
from tests.console.command_line import arguments_of, usage_error

IMAGES = ROOT / "docs" / "images"
#: The pictures of a terminal; the others are charts.
TERMINALS = sorted(path.name for path in IMAGES.glob("*.svg") if "rich-terminal" in path.read_text("utf-8"))


@pytest.mark.parametrize("name", TERMINALS)
def test_each_command_in_a_picture_is_accepted(name: str) -> None:
    """The parser of `scrapeq` accepts each of its commands in a picture, and there is at least one."""
    commands = picture_commands((IMAGES / name).read_text(encoding="utf-8"))
    own = [line for line in commands if line.startswith("scrapeq ")]
    assert own
    assert {line: usage_error(arguments_of(line)) for line in own} == dict.fromkeys(own, "")


def test_picture_of_the_tour_has_the_commands_of_the_tour() -> None:
    """The picture has each command of the guide that ends by itself, in the order of the guide."""
    guide = [step.line for step in steps(GUIDE.read_text(encoding="utf-8")) if isinstance(step, Command)]
    expected = [line for line in guide if line not in SKIPPED and not line.endswith("&")]
    assert picture_commands(PICTURE.read_text(encoding="utf-8")) == expected


def test_lines_of_a_picture_are_read_as_they_were_printed() -> None:
    """Pieces of a line are joined from left to right; entities and fixed spaces are characters."""
    svg = (
        '<text class="a" x="24" y="2" textLength="9" clip-path="url(#t-line-0)">scrapeq&#160;runs</text>'
        '<text class="b" x="0" y="2" textLength="9" clip-path="url(#t-line-0)">$&#160;</text>'
        '<text class="b" x="0" y="4" textLength="9" clip-path="url(#t-line-1)">a&#160;&lt;b&#160;</text>'
    )
    assert picture_lines(svg) == ["$ scrapeq runs", "a <b"]
    assert picture_commands(svg) == ["scrapeq runs"]
    assert stable_lines("run  1\n ─── \nfield   filled\n") == {"field filled"}
