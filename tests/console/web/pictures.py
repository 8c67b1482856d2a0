"""Takes pictures of all screens: `python -m tests.console.web.pictures URL DIRECTORY`.

Each screen of the console at the URL is pictured in light and dark, as wide as a phone, a tablet and a desk.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from tests.servers.browser import open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (390, 1024, 1600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: The screens by name: a path, or the text of a link that is opened on the screen before.
SCREENS = {
    "overview": "/",
    "runs": "/runs",
    "run": "link:main tbody th a",
    "charts": "link:#charts a",
    "jobs": "/jobs",
    "job": "link:main tbody th a",
    "dead-letters": "/dead-letters?run=*",
    "acts": "/acts",
    "act": "link:main tbody th a",
    "items": "/items",
    "lab": "/lab",
    "queue": "/queue",
}


def open_screen(page: "Page", base: str, place: str) -> None:
    """Open a screen: a path of the console, or the first link that a selector finds on the current page."""
    if place.startswith("link:"):
        address = page.locator(place.removeprefix("link:")).first.get_attribute("href") or "/"
        place = address
    page.goto(urljoin(base, place))


def overflow(page: "Page") -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def main() -> None:
    """Take the pictures, and print the screens that are wider than their window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="", help="a pattern of the screens' names")
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for name, place in SCREENS.items():
                    open_screen(page, given.url, place)
                    if re.search(given.only, name):
                        page.screenshot(path=given.directory / f"{name}-{width}-{scheme}.png", full_page=True)
                    if wider := overflow(page):
                        print(f"{name} at {width} px is {wider} px wider than its window")  # noqa: T201 - a program
                page.close()


if __name__ == "__main__":
    main()
