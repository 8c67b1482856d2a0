"""`scrapeq try` and `scrapeq recipe`, as whoever writes a recipe sees them."""

import json
import re
from pathlib import Path

import pytest

from contract.schema import crawl_schema, recipe_schema
from tests.console.command import Scrapeq
from tests.servers.site import http, running_site

RECIPE = """\
name: book
fields:
  title: {css: h1, required: true}
  price: {sources: [{meta: "product:price"}, {css: .price}], type: number}
  isbn: {css: .isbn}
next: a.next
"""
PAGE = '<h1>Faust</h1><p class=price>£9.50</p><a class=next href="?p=2">on</a>'


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe's file."""
    path = tmp_path / "book.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A saved page."""
    path = tmp_path / "book.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_try_shows_where_each_value_came_from(scrapeq: Scrapeq, recipe: Path, page: Path) -> None:
    """Source, text and value; for what is missing, why; and where the next page is."""
    answer = scrapeq("try", recipe, page, "--url", "https://shop.example/1")
    assert answer.exit_code == 0
    shown = answer.stdout
    assert re.search(r'^ +1 +title +h1 +Faust +"Faust" *$', shown, re.MULTILINE)
    assert re.search(r"^ +1 +price +meta product:price +nothing matches", shown, re.MULTILINE)
    assert re.search(r"^ +1 +price +\.price +£9\.50 +9\.5 *$", shown, re.MULTILINE)
    assert re.search(r"^ +1 +isbn +\.isbn +nothing matches", shown, re.MULTILINE)
    assert shown.splitlines()[-2:] == ["next page: https://shop.example/1?p=2", "1 item"]


def test_try_prints_the_items_for_other_programs(scrapeq: Scrapeq, recipe: Path, page: Path) -> None:
    """With --format jsonl, nothing but items; with --format findings, nothing but findings."""
    items = scrapeq("try", recipe, page, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in items] == [{"title": "Faust", "price": 9.5, "isbn": None}]
    findings = scrapeq("try", recipe, page, "--format", "findings").stdout.splitlines()
    assert [json.loads(line)["path"] for line in findings] == ["title", "price", "price", "isbn"]


def test_a_page_that_would_fail_is_told_with_its_reason(scrapeq: Scrapeq, recipe: Path, page: Path) -> None:
    """Status 1, the worker's reason code, and the findings up to there."""
    page.write_text("<h2>Faust</h2>", encoding="utf-8")
    answer = scrapeq("try", recipe, page)
    assert answer.exit_code == 1
    last = answer.stdout.splitlines()[-1]
    assert last == "The job would end here. missing_field: title: nothing on the page matches h1"
    assert "missing_field" in scrapeq("try", recipe, page, "--format", "jsonl").stderr


@pytest.mark.parametrize(
    ("name", "body", "items"),
    [
        ("a.json", '{"t": "Faust"}', [{"t": "Faust"}]),
        ("a.html", "<p>", [{"t": None}]),
    ],
)
def test_a_saved_page_is_what_its_name_says(
    scrapeq: Scrapeq, tmp_path: Path, name: str, body: str, items: object
) -> None:
    """A file has no content type but its suffix."""
    (tmp_path / "r.yaml").write_text("{name: r, fields: {t: {jmespath: t}}}", encoding="utf-8")
    (tmp_path / name).write_text(body, encoding="utf-8")
    answer = scrapeq("try", tmp_path / "r.yaml", tmp_path / name, "--format", "jsonl")
    assert [json.loads(line) for line in answer.stdout.splitlines()] == items


def test_a_url_is_fetched_as_the_worker_does(
    scrapeq: Scrapeq, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its guard, which refuses this machine unless it is opened, and by the site's robots.txt."""
    with running_site() as site:
        url = site.add("/1", http(body=PAGE.encode()))
        refused = scrapeq("try", recipe, url)
        assert refused.exit_code == 1
        assert "refused_address" in refused.stderr
        monkeypatch.setenv("FETCH_ALLOW_NETWORKS", "127.0.0.0/8")
        answer = scrapeq("try", recipe, url, "--format", "jsonl", "--ignore-robots")
        assert json.loads(answer.stdout)["title"] == "Faust"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.yaml", "missing.html"], "missing.yaml cannot be read"),
        (["{recipe}", "missing.html"], "missing.html cannot be read"),
        (["{recipe}", "http://"], "the host is missing"),
    ],
)
def test_what_cannot_be_tried_is_told_in_a_sentence(
    scrapeq: Scrapeq, recipe: Path, arguments: list[str], said: str
) -> None:
    """Status 2: the operator's, not the page's."""
    answer = scrapeq("try", *(argument.format(recipe=recipe) for argument in arguments))
    assert answer.exit_code == 2
    assert said in answer.stderr


CRAWL = """\
name: books
sources: {urls: ["https://shop.example/"]}
recipe:
  name: book
  fields:
    title: {css: "h1["}
    price: {css: p, tpye: number}
"""


def test_check_names_every_fault_with_its_line(scrapeq: Scrapeq, recipe: Path, tmp_path: Path) -> None:
    """Of recipes and of crawls, of all files at once."""
    crawl, broken = tmp_path / "crawl.yaml", tmp_path / "broken.yaml"
    crawl.write_text(CRAWL, encoding="utf-8")
    broken.write_text("name: r\nfields: [\n", encoding="utf-8")
    answer = scrapeq("recipe", "check", recipe, crawl, broken)
    assert answer.exit_code == 1
    lines = answer.stdout.splitlines()
    assert lines[0] == f"{recipe}: well formed"
    assert lines[1].startswith(f"{crawl}:6: recipe.fields.title.css: not a CSS selector")
    assert lines[2] == f"{crawl}:7: recipe.fields.price.tpye: there is no such field"
    assert lines[3].startswith(f"{broken}:3: not YAML")
    assert scrapeq("recipe", "check", recipe).exit_code == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a", ":1: a recipe is a mapping: name, fields; or a crawl: name, sources, recipe"),
        ("name: r\nfields: {a: {css: a}}\nname: s", ":3: name is given twice"),
        ("name: r\nfields:\n  a: {css: a, re: '('}", ":3: fields.a.re: not a regular expression"),
        (
            "name: r\nfields:\n  a:\n    sources:\n      - css: a\n      - xpath: '//['",
            ":6: fields.a.sources.1.xpath: not",
        ),
    ],
)
def test_a_recipe_by_itself_is_checked_like_one_in_a_crawl(
    scrapeq: Scrapeq, tmp_path: Path, text: str, fault: str
) -> None:
    """As strictly as a crawl: it is dispatched in one, one day."""
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    assert fault in scrapeq("recipe", "check", path).stdout


def test_the_schema_is_printed(scrapeq: Scrapeq) -> None:
    """Of a recipe, or of a crawl."""
    assert json.loads(scrapeq("recipe", "schema").stdout) == recipe_schema()
    assert json.loads(scrapeq("recipe", "schema", "crawl").stdout) == crawl_schema()
