"""Takes pictures of all screens: `python -m tests.console.web.pictures [URL] --directory DIRECTORY`.

Each screen is pictured in light and dark, as wide as a phone, a tablet and a desk. Without the URL of a
console, a stack is started, with runs in which pages succeed, are retried, die and are replayed.
"""

import argparse
import logging
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from tests.console.web.desk import Desk, open_desk
from tests.servers.browser import open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (390, 1024, 1600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: The screens by name: a path, or the link or the button to use on the screen before, if it has one.
SCREENS = {
    "overview": "/",
    "runs": "/runs",
    "run": "link:main tbody th a",
    "charts": "link:.charts-link",
    "jobs": "/jobs",
    "job": "link:main tbody th a",
    "lab": "link:main a[href^='/lab?']",
    "lab-trial": "button:Try",
    "dead-letters": "/dead-letters?run=*",
    "decision": "button:Decide on all",
    "acts": "/acts",
    "act": "link:main tbody th a",
    "items": "/items",
    "difference": "link:main a[href*='/items/difference']",
    "queue": "/queue",
}


def open_screen(page: "Page", base: str, place: str) -> None:
    """Open a screen: a path of the console, or what a link or a button of the current page leads to."""
    kind, _, target = place.partition(":")
    if kind == "button":
        button = page.get_by_role("button", name=target).first
        if button.count():
            button.click()
            page.wait_for_load_state()
        return
    if kind == "link":
        link = page.locator(target).first
        place = (link.get_attribute("href") if link.count() else None) or page.url
    page.goto(urljoin(base, place))
    if page.locator("#charts[hx-trigger=load]").count():
        page.locator("#charts figure").first.wait_for()


def overflow(page: "Page") -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def small_targets(page: "Page") -> list[str]:
    """Return the buttons and fields that are lower than 24 pixels, the minimum of WCAG 2.2 (2.5.8)."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, select, textarea, input")]
            .filter(each => each.type !== "hidden" && each.type !== "checkbox")
            .filter(each => each.offsetParent && each.getBoundingClientRect().height < 24)
            .map(each => each.outerHTML.slice(0, 100))"""
    )
    return found


def fill_desk(desk: Desk) -> None:
    """Let runs go through all that a screen can show, and leave a canary that waits."""
    pages = [
        *(f"products/{number}" for number in range(24)),
        "broken/a",
        "broken/b",
        "gone/a",
        "odd/a",
        "odd/b",
    ]
    long = "products/a-name-" + "of-many-words-" * 12 + "?colour=blue&size=42"
    slow = desk.crawl("slow", [f"slow/{number}" for number in range(40)], politeness={"delay_seconds": 60})
    desk.start_run(slow.replace("127.0.0.1", "localhost"))  # a host of its own, whose delay stops no other
    first = desk.start_run(desk.crawl("shop", pages, run_id="shop-2026-11-29T06:00:00Z"))
    desk.ended(first, len(pages))
    crawl = desk.crawl("shop", [*pages[4:], long, "ftp://shop.example/x"], run_id="shop-2026-11-30T06:00:00Z")
    crawl = crawl.replace(f"{desk.shop.url}/ftp:", "ftp:")
    second = desk.start_run(crawl)
    desk.ended(second, len(pages) - 3)
    page = desk.open(f"/dead-letters?run={second}&where=reason=http_404")
    page.get_by_role("button", name="Decide on all").click()
    page.get_by_role("button", name="Drop").click()
    page.get_by_text("dead letters were dropped").wait_for()
    page = desk.open("/queue")
    page.get_by_text("Pause everything…").click()
    page.get_by_role("button", name="Pause everything").click()
    page = desk.open(f"/dead-letters?run={second}&where=reason=http_5xx")
    page.get_by_role("button", name="Decide on all").click()
    form = page.locator("form", has=page.get_by_role("button", name="Replay", exact=True))
    form.locator("[name=canary]").check()
    form.get_by_label("Size of the canary").fill("1")
    form.get_by_role("button", name="Replay").click()
    page.get_by_text("not ended").wait_for()


@contextmanager
def _console(url: str) -> Iterator[tuple["Browser", str]]:
    """Yield a browser, and the URL of a console: the given one, or that of a new stack."""
    if url:
        with open_browser() as browser:
            yield browser, url
        return
    with tempfile.TemporaryDirectory() as data, open_desk(Path(data)) as desk:
        fill_desk(desk)
        yield desk.browser, desk.url


def main() -> None:
    """Take the pictures, and print the faults that can be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("--directory", type=Path, default=Path(".pictures"))
    parser.add_argument(
        "--documentation", type=Path, help="write the picture of the documentation to this file, too"
    )
    parser.add_argument("--only", default="", help="a pattern of the screens' names")
    given = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the site logs each request
    given.directory.mkdir(parents=True, exist_ok=True)
    with _console(given.url) as (browser, url):
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for name, place in SCREENS.items():
                    open_screen(page, url, place)
                    if re.search(given.only, name):
                        page.screenshot(path=given.directory / f"{name}-{width}-{scheme}.png", full_page=True)
                    if wider := overflow(page):
                        print(f"{name} at {width} px is {wider} px wider than its window")  # noqa: T201 - a program
                    for target in small_targets(page):
                        print(f"{name} at {width} px has a small target: {target}")  # noqa: T201 - a program
                page.close()
        if given.documentation:
            page = browser.new_page(viewport={"width": 1100, "height": 1310})
            for place in ("/runs", SCREENS["run"]):
                open_screen(page, url, place)
            page.screenshot(path=given.documentation)
    print(f"Pictures: {given.directory}")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
