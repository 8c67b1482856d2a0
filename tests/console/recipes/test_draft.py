"""Tests of `scrapeq init`: the drafted crawl is valid, and finds a value for each of its fields."""

import json
from pathlib import Path

import pytest
import yaml

from console.demo.site import SiteServer
from console.recipes.draft import draft_crawl, draft_fields
from console.recipes.recipe_file import read_recipe
from extraction.explain import explain
from extraction.page import SavedPage
from tests.console.command import Scrapeq
from tests.repository.tree import ROOT
from tests.servers.http_server import serving_in_thread

PAGE = """<!doctype html><meta charset=utf-8><title>Faust | Shop</title>
<meta property="og:title" content="Faust"><meta name="description" content="A play: “it’s” # good">
<meta property="og:image" content="/faust.jpg">
<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
  {"@type": "WebSite", "name": "Shop"},
  {"@type": "Product", "name": "Faust", "sku": "007", "releaseDate": "2026-11-22",
   "author": {"@type": "Person", "name": "Goethe"},
   "offers": [{"@type": "Offer", "price": "9.50", "priceCurrency": "EUR", "seller": null}]}]}</script>
<script type="application/ld+json">{"@type": "Product" broken</script>
<h1>Faust</h1>
<table><tr><th>Pages</th><td>1,234</td></tr><tr><th>It's</th><td>x</td></tr><tr><th>Größe</th><td>A5</td></tr></table>
<table id=editions><tr><th>Year<th>Price</tr><tr><td>1808<td>£5.00</tr><tr><td>1832<td>£7.50</tr></table>
"""
EXPECTED = {
    "title": ("Faust", None, 3),
    "sku": ("007", None, 0),
    "release_date": ("2026-11-22", "date", 0),
    "author": ("Goethe", None, 0),
    "price": (9.5, "number", 0),
    "price_currency": ("EUR", None, 0),
    "description": ("A play: “it’s” # good", None, 0),
    "image": ("https://shop.example/faust.jpg", "url", 0),
    "pages": ("1,234", None, 0),  # whether the comma is a decimal one is not known
    "grosse": ("A5", None, 0),
    "editions": ([{"year": 1808, "price": 5}, {"year": 1832, "price": 7.5}], None, 0),
}


def test_draft_has_what_the_page_offers_with_types_and_further_sources() -> None:
    """JSON-LD, metas, headings and both kinds of tables become fields; equal values become sources."""
    fields = draft_fields(SavedPage("https://shop.example/1", "text/html", PAGE.encode()))
    found = {name: (value, keys.get("type"), len(keys.get("sources", ()))) for name, keys, value in fields}
    assert found == EXPECTED


def test_drafted_crawl_is_valid_and_finds_every_value(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """`recipe check` and `try` succeed with the draft, and each field has a value on the page."""
    page, crawl = tmp_path / "page.html", tmp_path / "crawl.yaml"
    page.write_text(PAGE, encoding="utf-8")
    url = ("--url", "https://shop.example/1")
    done = scrapeq("init", page, "-o", crawl, *url, "--data", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert scrapeq("recipe", "check", crawl).stdout == f"{crawl}: valid\n"
    assert yaml.safe_load(crawl.read_text(encoding="utf-8"))["sources"]["urls"] == ["https://shop.example/1"]
    tried = scrapeq("try", crawl, page, *url, "--format", "jsonl")
    assert tried.exit_code == 0
    assert json.loads(tried.stdout) == {name: value for name, (value, _, _) in EXPECTED.items()}


def test_page_of_the_demo_is_drafted_from_its_url(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """The crawl names the URL, and its price is a number; the page is fetched only once."""
    crawl = tmp_path / "crawl.yaml"
    with SiteServer(0) as server, serving_in_thread(server):
        url = f"http://127.0.0.1:{server.server_port}/products/whistle"
        done = scrapeq("init", url, "-o", crawl, "--data", tmp_path)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"Try them: scrapeq try {crawl} {url} --data {tmp_path}"
        tried = scrapeq("try", crawl, url, "--format", "jsonl", "--data", tmp_path)
    assert json.loads(tried.stdout)["price"] == 38
    assert "from the cache" in tried.stderr
    assert yaml.safe_load(crawl.read_text(encoding="utf-8"))["sources"]["urls"] == [url]


def test_json_page_is_drafted_with_jmespath(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Each key of a JSON object with a text, number or truth value becomes a field."""
    page, crawl = tmp_path / "page.json", tmp_path / "crawl.yaml"
    page.write_text(json.dumps({"Full name": "Faust", "price": 9.5, "tags": ["a"], "x\ny": "1", "é": 2}))
    assert scrapeq("init", page, "-o", crawl, "--data", tmp_path).exit_code == 0
    tried = scrapeq("try", crawl, page, "--format", "jsonl")
    assert json.loads(tried.stdout) == {"full_name": "Faust", "price": 9.5, "x_y": 1, "e": 2}


def test_existing_file_is_replaced_only_with_force(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Without a terminal to ask on, the command refuses, and names the option that replaces the file."""
    page, crawl = tmp_path / "page.html", tmp_path / "crawl.yaml"
    page.write_text(PAGE, encoding="utf-8")
    crawl.write_text("mine")
    done = scrapeq("init", page, "-o", crawl, "--data", tmp_path)
    assert (done.exit_code, crawl.read_text()) == (2, "mine")
    assert done.stderr == f"{crawl} exists. Replace it with --force, or choose another with --output.\n"
    assert scrapeq("init", page, "-o", crawl, "--force", "--data", tmp_path).exit_code == 0
    assert crawl.read_text(encoding="utf-8").startswith("# Drafted by")


@pytest.mark.parametrize(
    "body", ["", "<p>nothing", "<table><tr><th></table>", '<script type="application/ld+json">[[{"@type": 3']
)
def test_page_that_offers_nothing_writes_no_file(scrapeq: Scrapeq, tmp_path: Path, body: str) -> None:
    """The exit status is 1, the message says what was looked for, and no file is written."""
    page, crawl = tmp_path / "page.html", tmp_path / "crawl.yaml"
    page.write_text(body)
    done = scrapeq("init", page, "-o", crawl, "--data", tmp_path)
    assert (done.exit_code, crawl.exists()) == (1, False)
    assert "has no JSON-LD, meta, heading, table or JSON with values" in done.stderr


def test_hostile_page_makes_a_harmless_draft(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Line breaks, control characters and YAML in names and values stay data, in comments and keys."""
    page, crawl = tmp_path / "page.html", tmp_path / "crawl.yaml"
    hostile = "x\u2028y\u0085z\x1b[2J\u202e\nlimits: {max_jobs: 1}"
    product = {"@type": "Product", "a: b": hostile, "name": hostile}
    page.write_text(
        f"<title>{hostile}</title><h1>{hostile}</h1>"
        f"<table><tr><th>a\nb: {{c}}</th><td>{hostile}</td></tr></table>"
        f'<script type="application/ld+json">{json.dumps(product)}</script>',
        encoding="utf-8",
    )
    assert scrapeq("init", page, "-o", crawl, "--data", tmp_path).exit_code == 0
    text = crawl.read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert set(yaml.safe_load(text)) == {"name", "sources", "recipe"}
    assert scrapeq("recipe", "check", crawl).exit_code == 0


def test_draft_of_every_saved_page_finds_its_values() -> None:
    """Whatever a saved page offers, its draft is a valid crawl, which finds the values in the comments."""
    drafted = 0
    for meta_file in (ROOT / "tests" / "saved_pages").glob("*/meta.json"):
        meta = json.loads(meta_file.read_text(encoding="utf-8"))
        file = next(meta_file.parent.glob("page.*"))
        url = meta.get("url", "https://shop.example/")
        page = SavedPage(url, meta.get("content_type", "text/html"), file.read_bytes())
        if fields := draft_fields(page):
            crawl = read_recipe(draft_crawl(url, fields, url).encode(), "crawl.yaml")
            explained = explain(crawl.recipe, page)
            assert explained.error is None, meta_file
            assert explained.extracted.items == [{field.name: field.value for field in fields}], meta_file
            drafted += 1
    assert drafted > 30
