"""Tests in a browser that hostile texts do nothing, and that the check for barriers finds them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from console.ledger.ledger import Ledger
from console.web.lab_process import STYLE
from contract.recipe import Recipe
from extraction.mark import marked_html
from extraction.page import SavedPage
from extraction.selectors import CHECKS
from tests.console.web.console_process import ConsoleProcess, running_console
from tests.console.web.hostile_ledger import ACT, DEAD_JOB, JOB, RUN, write_hostile_ledger
from tests.console.web.pictures import overflow
from tests.servers.axe import installed_axe, serious_findings
from tests.servers.browser import open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCREENS = (
    "/",
    f"/runs/{RUN}",
    "/jobs",
    f"/job/{JOB}",
    f"/job/{DEAD_JOB}",
    "/dead-letters",
    "/items",
    "/acts",
    f"/acts/{ACT}",
)
HOSTILE_PAGE = """<html><head><base href="https://evil.example/"><meta http-equiv=refresh content="0;url=/x">
<script>parent.hacked = 1</script><style>h1 { color: green }</style></head><body onload="parent.hacked = 1">
<iframe src="https://evil.example/"></iframe><img src=x onerror="parent.hacked = 1">
<svg onload="parent.hacked=1"/>
<a href="javascript:parent.hacked=1" id=link>click</a>
<form action="https://evil.example/"><button>go</button></form>
<h1>Title</h1></body></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A browser."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """A console whose ledger has hostile texts."""
    data = tmp_path_factory.mktemp("data")
    write_hostile_ledger(Ledger(data))
    with running_console(data) as process:
        yield process


def test_hostile_texts_run_nothing_and_break_no_screen(browser: "Browser", console: ConsoleProcess) -> None:
    """Markup, directions and a text of 1 MB from a page run no script, and no screen becomes too wide."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    for path in SCREENS:
        page.goto(console.url + path)
        assert page.evaluate("window.hacked") is None
        assert overflow(page) == 0, path
    assert errors == []  # nothing was blocked by the policy, because nothing was tried
    page.close()


def test_a_hostile_page_does_nothing_in_the_lab(browser: "Browser", console: ConsoleProcess) -> None:
    """A saved page with scripts, frames, links and a refresh is shown, and asks no server for anything."""
    page = browser.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{console.url}/lab")
    page.get_by_label("Recipe").fill("name: x\nfields: {title: {css: h1}}")
    page.get_by_text("Use a saved page instead").click()
    page.get_by_label("The page's HTML or JSON").fill(HOSTILE_PAGE)
    page.get_by_role("button", name="Try").click()
    frame = page.frame_locator("iframe.preview")
    assert frame.locator("h1[data-scrapeq-field=title]").inner_text() == "Title"
    frame.locator("#link").click()
    assert page.evaluate("window.hacked") is None
    assert {url.split("/")[2] for url in requested} == {console.url.split("/")[2]}
    assert page.url == f"{console.url}/lab"
    page.close()


def test_the_marked_page_has_nothing_that_acts() -> None:
    """Scripts, frames, addresses and event handlers are removed even without the frame's policy."""
    recipe = Recipe.from_document(
        {"name": "x", "items": "body", "fields": {"a": {"xpath": "//a/@href"}, "t": {"css": "h1::text"}}},
        CHECKS,
    )
    html = marked_html(recipe, SavedPage("http://localhost/", "text/html", HOSTILE_PAGE.encode()), STYLE)
    for word in ("<script", "<iframe", "<meta", "<base", "onload", "onerror", "href", "src=", "action="):
        assert word not in html
    assert '<a id="link" data-scrapeq-field="a">' in html
    assert '<h1 data-scrapeq-field="t">Title</h1>' in html
    assert 'data-scrapeq-item=""' in html


def test_a_barrier_is_found(browser: "Browser", tmp_path: Path) -> None:
    """The check of the screens reports a text without contrast, and a field without a label."""
    page = browser.new_page()
    page.set_content(
        "<html lang=en><title>x</title><main><p style='color:#ddd'>text</p><input></main></html>"
    )
    found = serious_findings(page, installed_axe(tmp_path))
    assert [each.split(" ")[0] for each in found] == ["color-contrast", "label"]
    page.close()
