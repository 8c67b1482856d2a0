"""Tests of `scrapeq shell`: its selectors and conversions are those of recipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console.command import Scrapeq
from tests.repository.tree import ROOT

PAGE = """<meta charset=utf-8><meta property="og:title" content="Faust">
<script type="application/ld+json">{"@type": "Product", "offers": {"price": 9.5}}</script>
<h1>Faust <!-- x --> I</h1><p class=price>1.299,50 €</p><p class=price>£2</p>"""
RECIPE = "name: book\nfields: {title: {css: h1, required: true}, isbn: {css: .isbn}}\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return the path of a saved page."""
    path = tmp_path / "page.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return the path of a recipe."""
    path = tmp_path / "book.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("css('h1')", ["Faust I"]),
        ("css('.price::attr(class)')", ["price", "price"]),
        ("xpath('count(//p)')", ["2.0"]),
        ("jsonld('Product.offers.price')", [9.5]),
        ("meta('og:title')", ["Faust"]),
        ("number(css('.price')[0], locale='de')", 1299.5),
        ("date('22.11.2026')", "2026-11-22"),
        ("date('22/11/26', format='%d/%m/%y')", "2026-11-22"),
        ("url('/a')", "https://shop.example/a"),
        ("field(css='.price', type='number', many=True, re='£(.*)')", [2]),
        ("items()", [{"title": "Faust I", "isbn": None}]),
        ("page.url", "https://shop.example/1"),
    ],
)
def test_expression_has_the_value_that_a_worker_would_find(
    scrapeq: Scrapeq, page: Path, recipe: Path, expression: str, value: object
) -> None:
    """With -c, the value of the expression is printed as JSON, and nothing else."""
    done = scrapeq("shell", page, "--recipe", recipe, "--url", "https://shop.example/1", "-c", expression)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == value


def test_json_page_is_searched_with_jmespath(scrapeq: Scrapeq, tmp_path: Path) -> None:
    """`jmespath` returns the values of the page's JSON."""
    page = tmp_path / "page.json"
    page.write_text('{"items": [{"n": 1}, {"n": 2}]}')
    assert json.loads(scrapeq("shell", page, "-c", "jmespath('items[].n')").stdout) == [1, 2]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("css('h1[')", "not a CSS selector"),
        ("number('none')", "none"),
        ("field(css='a', tpye='number')", "did you mean type?"),
        ("items()", "There is no recipe: start the shell with --recipe FILE."),
        ("csss('h1')", "csss('h1') cannot be evaluated: name 'csss' is not defined"),
        ("css(", "cannot be evaluated"),
    ],
)
def test_refused_expression_is_a_sentence(
    scrapeq: Scrapeq, page: Path, expression: str, message: str
) -> None:
    """A wrong selector, text, key or name is reported without a stack trace."""
    done = scrapeq("shell", page, "-c", expression)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_prompt_goes_on_after_an_error(page: Path) -> None:
    """At the prompt a refused selector is one line, and the next one is evaluated."""
    done = subprocess.run(
        [sys.executable, "-m", "console", "shell", str(page)],
        input="css('h1[')\nx = css('h1')\nx[0].upper()\n'\\x1b[2J'\n",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'FAUST I'" in done.stdout
    assert "not a CSS selector" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout
