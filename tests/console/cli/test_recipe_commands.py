"""Tests of the output of `scrapeq try` and `scrapeq recipe`."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console.stack.addresses import Addresses
from console.stack.services import LOOPBACK_NETWORKS
from console.stack.stack_file import StackRecord, write_stack
from contract.schema import crawl_schema, recipe_schema
from tests.console.command import Scrapeq
from tests.repository.tree import ROOT
from tests.servers.site import http, running_site
from tests.servers.waiting import MAX_WAIT_SECONDS

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
    """Return the path of a recipe file."""
    path = tmp_path / "book.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return the path of a saved page."""
    path = tmp_path / "book.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_try_shows_the_source_of_each_value(scrapeq: Scrapeq, recipe: Path, page: Path) -> None:
    """`scrapeq try` prints the source, text and value of each field, or why the value is missing."""
    result = scrapeq("try", recipe, page, "--url", "https://shop.example/1")
    assert result.exit_code == 0
    shown = result.stdout
    assert re.search(r'^ +1 +title +h1 +Faust +"Faust" *$', shown, re.MULTILINE)
    assert re.search(r"^ +1 +price +meta product:price +nothing matches", shown, re.MULTILINE)
    assert re.search(r"^ +1 +price +\.price +£9\.50 +9\.5 *$", shown, re.MULTILINE)
    assert re.search(r"^ +1 +isbn +\.isbn +nothing matches", shown, re.MULTILINE)
    assert shown.splitlines()[-2:] == ["next page: https://shop.example/1?p=2", "1 item"]


def test_try_prints_items_or_findings_as_json_lines(scrapeq: Scrapeq, recipe: Path, page: Path) -> None:
    """`scrapeq try` prints only items with --format jsonl, and only findings with --format findings."""
    items = scrapeq("try", recipe, page, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in items] == [{"title": "Faust", "price": 9.5, "isbn": None}]
    findings = scrapeq("try", recipe, page, "--format", "findings").stdout.splitlines()
    assert [json.loads(line)["path"] for line in findings] == ["title", "price", "price", "isbn"]


def test_try_of_a_failing_page_exits_with_1_and_the_reason(
    scrapeq: Scrapeq, recipe: Path, page: Path
) -> None:
    """If a job with the page would fail, the exit status is 1 and the output has the worker's reason code."""
    page.write_text("<h2>Faust</h2>", encoding="utf-8")
    result = scrapeq("try", recipe, page)
    assert result.exit_code == 1
    last = result.stdout.splitlines()[-1]
    assert last == "The job would fail. missing_field: title: nothing on the page matches h1"
    assert "missing_field" in scrapeq("try", recipe, page, "--format", "jsonl").stderr


@pytest.mark.parametrize(
    ("name", "body", "items"),
    [
        ("a.json", '{"t": "Faust"}', [{"t": "Faust"}]),
        ("a.html", "<p>", [{"t": None}]),
    ],
)
def test_content_type_of_a_saved_page_comes_from_its_suffix(
    scrapeq: Scrapeq, tmp_path: Path, name: str, body: str, items: object
) -> None:
    """A saved page has no Content-Type header, so its content type is derived from the file's suffix."""
    (tmp_path / "r.yaml").write_text("{name: r, fields: {t: {jmespath: t}}}", encoding="utf-8")
    (tmp_path / name).write_text(body, encoding="utf-8")
    result = scrapeq("try", tmp_path / "r.yaml", tmp_path / name, "--format", "jsonl")
    assert [json.loads(line) for line in result.stdout.splitlines()] == items


def test_try_fetches_a_url_from_the_networks_of_the_local_worker(
    scrapeq: Scrapeq, recipe: Path, tmp_path: Path
) -> None:
    """The loopback interface is allowed, unless the stack in the data directory does not allow it."""
    options = ("--format", "jsonl", "--ignore-robots", "--data", tmp_path)
    with running_site() as site:
        url = site.add("/1", http(body=PAGE.encode()))
        assert json.loads(scrapeq("try", recipe, url, *options).stdout)["title"] == "Faust"
        public_only = {"FETCH_ALLOW_NETWORKS": "10.0.0.0/8"}
        write_stack(tmp_path, StackRecord(1, Addresses("", "", "", ""), fetch_settings=public_only))
        refused = scrapeq("try", recipe, url, *options)
        assert refused.exit_code == 1
        assert "refused_address" in refused.stderr


def test_try_fetches_a_page_once_and_says_that_it_is_from_the_cache(
    scrapeq: Scrapeq, recipe: Path, tmp_path: Path
) -> None:
    """The second try makes no request and says how old the page is; --refresh fetches the page again."""
    with running_site() as site:
        url = site.add("/1", http(body=PAGE.encode()))
        tried = ("try", recipe, url, "--ignore-robots", "--data", tmp_path)
        assert "cache" not in scrapeq(*tried).stdout
        again = scrapeq(*tried)
        assert re.match(
            r"The page is from the cache, \d+ s old; --refresh fetches it again\.\n", again.stdout
        )
        assert "Faust" in again.stdout
        assert len(site.requests_for("/1")) == 1
        items = scrapeq(*tried, "--format", "jsonl")
        assert (json.loads(items.stdout)["title"], "from the cache" in items.stderr) == ("Faust", True)
        assert "cache" not in scrapeq(*tried, "--refresh").stdout
        assert len(site.requests_for("/1")) == 2


def test_try_without_a_writable_cache_shows_the_page(scrapeq: Scrapeq, recipe: Path, tmp_path: Path) -> None:
    """If the page cannot be kept, it is tried all the same, with a warning."""
    no_directory = tmp_path / "file"
    no_directory.touch()
    with running_site() as site:
        url = site.add("/1", http(body=PAGE.encode()))
        done = scrapeq("try", recipe, url, "--ignore-robots", "--data", no_directory)
    assert (done.exit_code, "Faust" in done.stdout) == (0, True)
    assert "warning: the page is not kept for the next try: Not a directory." in done.stdout


def test_watch_tries_a_recipe_again_when_it_is_saved(recipe: Path, page: Path, tmp_path: Path) -> None:
    """Faults are printed, and the mended recipe is tried; Ctrl-C ends the command with 130."""

    def save(text: str) -> None:
        """Replace the recipe at once, as editors do, so that the command reads no half of it."""
        written = tmp_path / "written"
        written.write_text(text)
        written.replace(recipe)

    with subprocess.Popen(
        [sys.executable, "-m", "console", "try", str(recipe), str(page), "--watch", "--data", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output = process.stdout
        assert output

        def shown() -> str:
            lines = list[str]()
            while not lines or "Waiting until" not in lines[-1]:
                lines.append(output.readline())
                assert lines[-1], "the command has ended: " + "".join(lines)
            return "".join(lines)

        assert '"Faust"' in shown()
        save("name: book\nfields: {title: {css: 'h1['}}\n")
        assert "book.yaml:2: fields.title.css: not a CSS selector" in shown()
        save("name: book\nfields: {heading: {css: h1}}\n")
        assert " heading " in shown()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=MAX_WAIT_SECONDS) == 130


def test_try_refuses_the_ports_of_the_local_stack(scrapeq: Scrapeq, recipe: Path, tmp_path: Path) -> None:
    """A page at a port of the stack itself is refused, as the worker refuses it."""
    with running_site() as site:
        url = site.add("/1", http(body=PAGE.encode()))
        port = url.rpartition(":")[2].removesuffix("/1")
        settings = {"FETCH_ALLOW_NETWORKS": LOOPBACK_NETWORKS, "FETCH_REFUSE_PORTS": port}
        write_stack(tmp_path, StackRecord(1, Addresses("", "", "", ""), fetch_settings=settings))
        refused = scrapeq("try", recipe, url, "--ignore-robots", "--data", tmp_path)
    assert (refused.exit_code, "refused_address" in refused.stderr) == (1, True), refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml", "missing.html"], "missing.yaml cannot be read"),
        (["{recipe}", "missing.html"], "missing.html cannot be read"),
        (["{recipe}", "http://"], "the host is missing"),
    ],
)
def test_try_of_an_unreadable_file_or_invalid_url_exits_with_2(
    scrapeq: Scrapeq, recipe: Path, arguments: list[str], message: str
) -> None:
    """If a file cannot be read or the URL is invalid, the exit status is 2 and a message explains it."""
    result = scrapeq("try", *(argument.format(recipe=recipe) for argument in arguments))
    assert result.exit_code == 2
    assert message in result.stderr


CRAWL = """\
name: books
sources: {urls: ["https://shop.example/"]}
recipe:
  name: book
  fields:
    title: {css: "h1["}
    price: {css: p, tpye: number}
"""


def test_recipe_check_reports_every_fault_with_its_line(
    scrapeq: Scrapeq, recipe: Path, tmp_path: Path
) -> None:
    """`scrapeq recipe check` with several files prints `valid` or every fault, with file and line."""
    crawl, broken = tmp_path / "crawl.yaml", tmp_path / "broken.yaml"
    crawl.write_text(CRAWL, encoding="utf-8")
    broken.write_text("name: r\nfields: [\n", encoding="utf-8")
    result = scrapeq("recipe", "check", recipe, crawl, broken)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"{recipe}: valid"
    assert lines[1].startswith(f"{crawl}:6: recipe.fields.title.css: not a CSS selector")
    assert lines[2] == f"{crawl}:7: recipe.fields.price.tpye: there is no such field; did you mean type?"
    assert lines[3].startswith(f"{broken}:3: not YAML")
    assert scrapeq("recipe", "check", recipe).exit_code == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a", ":1: a recipe is a mapping with name and fields; a crawl has name, sources and recipe"),
        ("name: r\nfields: {a: {css: a}}\nname: s", ":3: duplicate key name"),
        ("name: r\nfields:\n  a: {css: a, re: '('}", ":3: fields.a.re: not a regular expression"),
        (
            "name: r\nfields:\n  a:\n    sources:\n      - css: a\n      - xpath: '//['",
            ":6: fields.a.sources.1.xpath: not",
        ),
    ],
)
def test_recipe_file_is_checked_like_a_recipe_in_a_crawl(
    scrapeq: Scrapeq, tmp_path: Path, text: str, fault: str
) -> None:
    """A recipe file is checked for the same faults as the recipe in a crawl."""
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    assert fault in scrapeq("recipe", "check", path).stdout


def test_recipe_schema_prints_the_json_schema(scrapeq: Scrapeq) -> None:
    """`scrapeq recipe schema` prints the schema of a recipe, or with `crawl` that of a crawl."""
    assert json.loads(scrapeq("recipe", "schema").stdout) == recipe_schema()
    assert json.loads(scrapeq("recipe", "schema", "crawl").stdout) == crawl_schema()


WARNED = """\
name: books
sources: {urls: ["https://shop.example/"]}
request:
  headers: {Authorization: Bearer abc, X-Api-Key: "{secret:KEY}"}
recipe:
  name: book
  fields:
    price: {css: .price, type: number, default: unknown}
    stock: {css: .stock, type: integer, default: 0}
    tags: {css: .tag, many: true, default: none}
    date: {css: time, type: date, default: "22.11.2026"}
    author: {css: .author, fields: {name: {css: b, default: 1}}, default: {name: x}}
"""


def test_recipe_check_warns_about_defaults_and_passwords(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """Each default that is not of its field's type is a warning, as is a password; the exit status is 0."""
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(WARNED, encoding="utf-8")
    result = scrapeq("recipe", "check", crawl)
    assert result.exit_code == 0
    lines = [line.removeprefix(f"{crawl}:") for line in result.stdout.splitlines()]
    assert lines[0] == (
        "4: request.headers.Authorization: warning: its value is stored in each job and in the ledger; write "
        "{secret:NAME} instead of a password"
    )
    fields = [line.split(" is not ")[0] for line in lines[1:-1]]
    assert fields == [
        "8: recipe.fields.price.default: warning: 'unknown'",
        "10: recipe.fields.tags.default: warning: 'none'",
        "11: recipe.fields.date.default: warning: '22.11.2026'",
        "12: recipe.fields.author.fields.name.default: warning: 1",
    ]
    assert lines[1].endswith("is not a number, as the field's values are")
    assert lines[-1] == " valid"
