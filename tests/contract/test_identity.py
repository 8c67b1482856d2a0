"""The job id is the same for the same run, page and recipe, and differs if one of them differs."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.job import JOB_ID
from contract.job_id import identify
from contract.recipe import Recipe
from contract.urls import canonical_url, check_url
from tests.contract.documents import RECIPE, changed, recipes, run_ids, urls

BOOK = Recipe.model_validate(RECIPE)


def job_id(url: str) -> str:
    """Return the id of a page's job; the URL is checked first, as in the dispatcher."""
    return identify("run-1", check_url(url), BOOK)


@given(run_id=run_ids, url=urls, recipe=recipes)
def test_same_run_page_and_recipe_give_the_same_id(run_id: str, url: str, recipe: Recipe) -> None:
    """The id does not change if the URL is checked again or the recipe is encoded and decoded."""
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert identify(run_id, url, recipe) == identify(run_id, check_url(url), again)


def test_id_never_changes() -> None:
    """The id of one job is fixed, because another id would make a running crawl scrape its pages twice."""
    assert job_id("https://books.example/1?b=2&a=1") == "b0622655d56a1ed0504a73f56e3108d3"


@pytest.mark.parametrize(
    "variant",
    [
        "https://books.example/a%20b/~me?x=1&y=%C3%A9#reviews",
        "https://books.example/a%20b/~me?y=%C3%A9&x=1",
        "https://books.example:443/a%20b/~me?x=1&y=%C3%A9",
        "https://books.example:/a%20b/~me?x=1&y=%C3%A9",
        "https://BOOKS.Example/a%20b/~me?x=1&y=%C3%A9",
        "HTTPS://books.example/a%20b/~me?x=1&y=%C3%A9",
        "https://books.example/a b/~me?x=1&y=é",
        "https://books.example/a%20b/%7Eme?x=1&y=%c3%a9",
        "https://books.example/a%20b/%7eme?x=%31&y=%C3%A9",
        "  https://books.example/a%20b/~me?x=1&y=%C3%A9\n",
    ],
)
def test_equivalent_urls_give_the_same_id(variant: str) -> None:
    """URLs give the same id if they differ only in what canonical_url and check_url normalise.

    These parts are the fragment, the order of the query, the default port, the case of scheme and host, the
    percent-escapes, and white space around the URL.
    """
    assert job_id(variant) == job_id("https://books.example/a%20b/~me?x=1&y=%C3%A9")


@pytest.mark.parametrize(
    "other",
    [
        "http://books.example/a?x=1",
        "https://books.example/A?x=1",
        "https://books.example/a/?x=1",
        "https://books.example/a",
        "https://books.example/a?x=2",
        "https://books.example/a?X=1",
        "https://books.example/a?x=1&x=1",
        "https://books.example/a%3Fx=1",
        "https://books.example:8443/a?x=1",
        "https://www.books.example/a?x=1",
        "https://books.example./a?x=1",
    ],
)
def test_another_page_gives_another_id(other: str) -> None:
    """URLs that are not equivalent give different ids."""
    assert job_id(other) != job_id("https://books.example/a?x=1")


def test_escaped_slash_gives_another_id() -> None:
    """`/` and `%2F` give different ids, because RFC 3986 section 2.2 does not treat them as equivalent."""
    assert job_id("https://books.example/a%2Fb") != job_id("https://books.example/a/b")


@given(urls)
def test_canonical_url_is_idempotent(url: str) -> None:
    """The canonical form of a canonical URL is the same URL."""
    assert canonical_url(canonical_url(url)) == canonical_url(url)


@given(recipe=recipes, other=recipes)
def test_another_recipe_gives_another_id(recipe: Recipe, other: Recipe) -> None:
    """Different recipes give different ids, so a page is scraped again after its recipe was corrected."""
    assume(recipe.to_json_dict() != other.to_json_dict())
    assert identify("run-1", "https://books.example/", recipe) != identify(
        "run-1", "https://books.example/", other
    )


@given(run_id=run_ids, other=run_ids)
def test_another_run_gives_another_id(run_id: str, other: str) -> None:
    """Different runs give different ids, so the next run scrapes the same pages again."""
    assume(run_id != other)
    page = "https://books.example/"
    assert identify(run_id, page, BOOK) != identify(other, page, BOOK)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("xpath", None),
        ("re", None),
        ("type", "text"),
        ("many", False),
        ("required", False),
        ("default", None),
    ],
)
def test_written_default_gives_the_same_id(name: str, default: object) -> None:
    """A recipe gives the same id whether a default value is written or left out."""
    written = Recipe.model_validate(changed(RECIPE, f"fields.title.{name}", default))
    assert written.to_json_dict() == BOOK.to_json_dict() == RECIPE
    assert identify("r", "https://books.example/", written) == identify("r", "https://books.example/", BOOK)


def test_items_none_is_the_same_as_missing() -> None:
    """A recipe with `items: None` has the same JSON as a recipe without `items`."""
    assert Recipe.model_validate(RECIPE | {"items": None}).to_json_dict() == BOOK.to_json_dict()


@given(order=st.permutations(["title", "price", "stock"]))
def test_order_of_fields_does_not_change_the_id(order: list[str]) -> None:
    """Recipes that differ only in the order of their fields give the same id."""
    selectors = {"title": {"css": "h1"}, "price": {"css": ".price"}, "stock": {"css": ".stock"}}
    recipe = Recipe.model_validate({"name": "book", "fields": {name: selectors[name] for name in order}})
    straight = Recipe.model_validate({"name": "book", "fields": selectors})
    page = "https://books.example/"
    assert identify("r", page, recipe) == identify("r", page, straight)


@given(run_id=run_ids, url=urls, recipe=recipes)
def test_id_is_32_hex_digits(run_id: str, url: str, recipe: Recipe) -> None:
    """Every id consists of 32 hex digits, as a job requires."""
    assert re.fullmatch(JOB_ID, identify(run_id, url, recipe))
