"""Tests of the operator's page in a browser: each screen does its act, and the ledger of the stack has it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.ledger.control_rows import pauses
from console.ledger.dead_letter_rows import dead_letters
from console.ledger.job_page import JobFilter, job_page
from console.stack.pubsub_setup import subscriber_client, subscription_path
from contract.topology import PUSH_SUBSCRIPTION
from tests.console.web.desk import Desk, open_desk
from tests.console.web.pictures import SCHEMES, SCREENS, WIDTHS, open_screen, overflow, small_targets
from tests.servers.axe import installed_axe, serious_findings
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until

PAGES = ["one", "second", "third-page", "broken/a", "broken/b"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A stack with its page, a site and a browser."""
    with open_desk(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(desk: Desk) -> str:
    """A run, started on the page, in which three pages succeeded and two became dead letters."""
    run_id = desk.start_run(desk.crawl("shop", PAGES))
    assert (desk.ended(run_id, 5).succeeded, desk.ended(run_id, 5).dead) == (3, 2)
    return run_id


def test_the_overview_shows_the_accounting_of_the_ledger(desk: Desk, run: str) -> None:
    """The newest run stands there with its numbers, and the numbers renew themselves."""
    page = desk.open("/")
    row = page.get_by_role("row", name=run)
    assert row.get_by_role("cell").all_inner_texts()[2:] == ["5", "3", "2", "0", "adds up"]
    with page.expect_response(lambda response: response.url == f"{desk.url}/"):
        pass  # htmx asks for the screen again
    assert page.get_by_role("row", name=run).is_visible()


def test_a_run_shows_its_charts(desk: Desk, run: str) -> None:
    """The run's screen loads the charts of the whole run; without scripts a link leads to them."""
    page = desk.open(f"/runs/{run}")
    page.locator("#charts figure").nth(3).wait_for()
    captions = page.locator("#charts figcaption").all_inner_texts()
    for title in ("Throughput", "Time of an attempt", "Outcomes of attempts", "Filled fields"):
        assert any(title in caption for caption in captions)
    plain = desk.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{desk.url}/runs/{run}")
    plain.get_by_role("link", name="Charts of the whole run").click()
    assert plain.locator("#charts figure").count() == 4
    plain.context.close()


def test_a_run_is_cancelled(desk: Desk, run: str) -> None:
    """The button of the run's screen ends it: its jobs in flight become cancelled, and all adds up."""
    assert run
    crawl = desk.crawl("slow", [f"slow/{number}" for number in range(30)], politeness={"delay_seconds": 20})
    run_id = desk.start_run(crawl)
    page = desk.open(f"/runs/{run_id}")
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_text("is cancelled: no further request begins").wait_for()
    ended = desk.ended(run_id, 30)
    assert ended.cancelled > 0
    assert ended.adds_up


def test_a_fault_of_a_crawl_is_shown_with_its_line(desk: Desk) -> None:
    """A crawl with a fault is not dispatched; the form keeps the text and says what is wrong."""
    page = desk.open("/runs?start=1")
    page.get_by_label("Crawl (YAML)").fill("name: x\nsources: {urls: [1]}\nrecipe: {name: y, fields: {}}\n")
    page.get_by_role("button", name="Dispatch").click()
    alert = page.get_by_role("alert").inner_text()
    assert "crawl.yaml:2: sources.urls" in alert
    assert "name: x" in page.get_by_label("Crawl (YAML)").input_value()


def test_jobs_are_filtered_and_a_job_shows_its_life(desk: Desk, run: str) -> None:
    """The filter lists the jobs that the ledger has; a dead job's time line has each of its attempts."""
    page = desk.open(f"/jobs?run={run}")
    page.get_by_label("State").select_option("succeeded")
    page.get_by_role("button", name="Filter").click()
    listed = page.locator("tbody tr").count()
    assert listed == len(job_page(desk.stack.ledger, JobFilter(run, "succeeded"))) > 0
    page = desk.open(f"/jobs?run={run}&text=broken/a")
    page.locator("tbody th a").click()
    events = page.locator(".timeline li").all_inner_texts()
    assert "dispatched" in events[0]
    assert sum("attempt" in event and "http_5xx" in event for event in events) >= 5
    assert any("dead letter" in event for event in events)


def test_the_lab_marks_the_matches_and_runs_no_script(desk: Desk, run: str) -> None:
    """A job's recipe and URL are tried; the page is shown with marks, in a frame that runs nothing."""
    page = desk.open(f"/jobs?run={run}&text=third")
    page.locator("tbody th a").click()
    page.get_by_role("link", name="Try in the lab").click()
    page.get_by_role("button", name="Try").click()
    frame = page.frame_locator("iframe.preview")
    marked = frame.locator("h1[data-scrapeq-field]")
    assert marked.get_attribute("data-scrapeq-field") == "title"
    assert marked.get_attribute("onclick") is None
    assert frame.locator("script").count() == 0
    assert "11.5" in page.get_by_role("row", name="price").inner_text()
    assert "nothing matches .note" in page.locator(".warnings").inner_text()
    assert page.locator("iframe.preview").get_attribute("sandbox") == ""


def test_items_are_searched_sorted_and_downloaded(desk: Desk, run: str) -> None:
    """The table and the CSV have the items of the ledger."""
    page = desk.open(f"/items?run={run}")
    page.get_by_role("link", name="price").click()
    page.get_by_role("link", name="price").click()
    prices = [float(text) for text in page.locator("td.n").all_inner_texts()]
    assert prices == sorted(prices, reverse=True) != []
    page.get_by_label("A value or the URL contains").fill("/second")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    expected = {result.url: result.items[0]["title"] for result in desk.stack.ledger.results(run)}
    assert {row["url"]: row["title"] for row in rows} == expected


def test_the_queue_is_paused_and_resumed(desk: Desk, run: str) -> None:
    """Pausing everything takes the endpoint of the push subscription away, and resuming restores it."""
    assert run
    before = _push_endpoint(desk)
    page = desk.open("/queue")
    assert page.get_by_text(before).is_visible()
    page.get_by_text("Pause everything…").click()
    page.get_by_role("button", name="Pause everything").click()
    page.get_by_text("Everything is paused").wait_for()
    assert _push_endpoint(desk) == ""
    wait_until(lambda: len(pauses(desk.stack.ledger)) == 1, "the pause is recorded")
    page.get_by_role("link", name="The record of this act").click()
    assert "until it is resumed" in page.get_by_role("table").inner_text()
    assert desk.open("/").get_by_text("Everything was paused by").is_visible()
    page = desk.open("/queue")
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Everything is resumed").wait_for()
    assert _push_endpoint(desk) == before


def _push_endpoint(desk: Desk) -> str:
    with subscriber_client(desk.stack.pubsub_host) as subscriber:
        name = subscription_path(PUSH_SUBSCRIPTION)
        found = subscriber.get_subscription(subscription=name, timeout=MAX_WAIT_SECONDS)
    return str(found.push_config.push_endpoint)


def test_the_page_works_without_javascript(desk: Desk, run: str) -> None:
    """Every screen is there without scripts, and so is an act: a run is started."""
    page = desk.browser.new_context(java_script_enabled=False).new_page()
    for path in ("/", f"/runs/{run}", f"/jobs?run={run}", "/dead-letters", f"/items?run={run}", "/lab"):
        page.goto(desk.url + path)
        assert page.locator("h1").is_visible()
    page.goto(f"{desk.url}/runs")
    page.get_by_text("Start a run").click()
    page.get_by_label("Crawl (YAML)").fill(desk.crawl("plain", ["plain"], run_id="plain-1"))
    page.get_by_role("button", name="Dispatch").click()
    assert desk.ended("plain-1", 1).succeeded == 1
    page.context.close()


def test_the_page_is_used_by_keyboard(desk: Desk) -> None:
    """The first tab stop leads to the content, and the screens follow as links."""
    page = desk.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.reload()
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_screen_has_a_serious_barrier(desk: Desk, run: str, scheme: str, tmp_path: Path) -> None:
    """axe-core finds nothing serious on any screen, in light and dark."""
    assert run
    axe = installed_axe(tmp_path)
    page = desk.window(color_scheme=scheme)
    findings = {}
    for name, place in SCREENS.items():
        open_screen(page, desk.url, place)
        findings[name] = serious_findings(page, axe)
    page.close()
    assert {name: found for name, found in findings.items() if found} == {}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_screen_is_wider_than_its_window(desk: Desk, run: str, width: int) -> None:
    """On a phone, a tablet and a desk no screen has to be scrolled sideways; tables scroll inside."""
    assert run
    page = desk.window(viewport={"width": width, "height": 900})
    wider = {}
    for name, place in SCREENS.items():
        open_screen(page, desk.url, place)
        wider[name] = overflow(page)
        assert small_targets(page) == [], name
    page.close()
    assert {name: pixels for name, pixels in wider.items() if pixels} == {}


def test_dead_letters_are_replayed_after_a_look(desk: Desk, run: str) -> None:
    """One dead letter is checked, what would be done is shown, and it is brought home; then the other one."""
    desk.shop.mend()
    page = desk.open(f"/dead-letters?run={run}")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Decide on the checked").click()
    assert page.get_by_role("heading", name="1 dead letter").is_visible()
    assert desk.stack.ledger.accounting(run).dead == 2  # nothing has been done yet
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_text("1 of 1 dead letters were replayed").wait_for()
    wait_until(lambda: desk.stack.ledger.accounting(run).succeeded == 4, "one is brought home")
    page = desk.open(f"/dead-letters?run={run}")
    page.get_by_role("button", name="Decide on all 1").click()
    page.get_by_role("button", name="Replay", exact=True).click()
    wait_until(lambda: desk.stack.ledger.accounting(run).succeeded == 5, "both are brought home")
    assert desk.ended(run, 5).adds_up
    assert dead_letters(desk.stack.ledger, run) == []


def test_dead_letters_are_replaced_with_a_mended_recipe(desk: Desk) -> None:
    """Pages that the recipe could not read are scraped with a mended one; the old jobs count as replaced."""
    run_id = desk.start_run(desk.crawl("odd", ["odd/a", "odd/b"]))
    assert desk.ended(run_id, 2).dead == 2
    page = desk.open(f"/dead-letters?run={run_id}&where=reason=missing_field")
    page.get_by_role("button", name="Decide on all 2").click()
    assert "2 of them would end for the same reason again" in page.locator("main").inner_text()
    recipe = page.get_by_label("Recipe (YAML")
    assert "css: h1" in recipe.input_value()
    recipe.fill(recipe.input_value().replace("css: h1", "css: h7 >"))
    page.get_by_role("button", name="Replay with this recipe").click()
    assert ": fields.title.css: not a CSS selector" in page.get_by_role("alert").inner_text()
    recipe.fill(recipe.input_value().replace("css: h7 >", "css: h1, h2"))
    page.get_by_role("button", name="Replay with this recipe").click()
    page.get_by_text("2 of 2 dead letters were replaced").wait_for()
    ended = desk.ended(run_id, 4)
    assert (ended.succeeded, ended.replaced, ended.dead) == (2, 2, 0)
    assert ended.adds_up
    assert {result.items[0]["title"] for result in desk.stack.ledger.results(run_id)} == {
        "Odd /odd/a",
        "Odd /odd/b",
    }


def test_a_dead_letter_is_dropped_and_the_act_is_listed(desk: Desk) -> None:
    """A dropped dead letter is final in the ledger, and the act stands in the trail with its filter."""
    run_id = desk.start_run(desk.crawl("gone", ["gone/a"]))
    assert desk.ended(run_id, 1).dead == 1
    page = desk.open(f"/dead-letters?run={run_id}")
    page.get_by_role("link", name="http_404").click()
    page.get_by_role("button", name="Decide on all 1").click()
    page.get_by_role("button", name="Drop 1").click()
    page.get_by_text("1 of 1 dead letters were dropped").wait_for()
    ended = wait_for(lambda: desk.stack.ledger.accounting(run_id), lambda now: now.dropped == 1, "dropped")
    assert ended.adds_up
    row = desk.open("/dead-letters").get_by_role("row", name="drop").first
    assert "reason=http_404" in row.inner_text()
