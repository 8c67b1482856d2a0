"""Identity: the same run, page and recipe are the same job, always, and nothing else is."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.job import JOB_ID, identify
from contract.recipe import Recipe
from contract.urls import canonical_url, check_url
from tests.contract.documents import RECIPE, changed, recipes, run_ids, urls

BOOK = Recipe.model_validate(RECIPE)


def job_id(url: str) -> str:
    """Identify a page as the dispatcher does: checked first."""
    return identify("run-1", check_url(url), BOOK)


@given(run_id=run_ids, url=urls, recipe=recipes)
def test_the_same_run_page_and_recipe_are_the_same_job(run_id: str, url: str, recipe: Recipe) -> None:
    """A dispatch that is repeated makes no second job, whichever process repeats it."""
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert identify(run_id, url, recipe) == identify(run_id, check_url(url), again)


def test_an_id_is_the_same_for_ever() -> None:
    """A rule for ids that changes would scrape every page of a running crawl twice: this one is fixed."""
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
def test_spellings_of_one_url_are_one_page(variant: str) -> None:
    """Fragment, order of the query, default port, case of scheme and host, percent-escapes."""
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
def test_another_page_is_another_job(other: str) -> None:
    """Two pages that differ are both scraped."""
    assert job_id(other) != job_id("https://books.example/a?x=1")


def test_an_escaped_slash_is_no_slash() -> None:
    """RFC 3986 section 2.2: a reserved character and its escape are not equivalent."""
    assert job_id("https://books.example/a%2Fb") != job_id("https://books.example/a/b")


@given(urls)
def test_canonical_is_a_fixed_point(url: str) -> None:
    """The canonical spelling of a canonical spelling is itself."""
    assert canonical_url(canonical_url(url)) == canonical_url(url)


@given(recipe=recipes, other=recipes)
def test_another_recipe_is_another_job(recipe: Recipe, other: Recipe) -> None:
    """A page scraped by a mended recipe is scraped again."""
    assume(recipe.to_json_dict() != other.to_json_dict())
    assert identify("run-1", "https://books.example/", recipe) != identify(
        "run-1", "https://books.example/", other
    )


@given(run_id=run_ids, other=run_ids)
def test_another_run_is_another_job(run_id: str, other: str) -> None:
    """The next run scrapes the same pages again."""
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
def test_a_default_written_out_is_the_same_recipe(name: str, default: object) -> None:
    """Whether an author writes a default makes no second job, and a later version may add fields."""
    written = Recipe.model_validate(changed(RECIPE, f"fields.title.{name}", default))
    assert written.to_json_dict() == BOOK.to_json_dict() == RECIPE
    assert identify("r", "https://books.example/", written) == identify("r", "https://books.example/", BOOK)


def test_items_left_out_is_the_same_as_none() -> None:
    """The recipe's own default counts like those of its fields."""
    assert Recipe.model_validate(RECIPE | {"items": None}).to_json_dict() == BOOK.to_json_dict()


@given(order=st.permutations(["title", "price", "stock"]))
def test_the_order_of_fields_does_not_matter(order: list[str]) -> None:
    """JSON objects have no order; neither has a recipe."""
    selectors = {"title": {"css": "h1"}, "price": {"css": ".price"}, "stock": {"css": ".stock"}}
    recipe = Recipe.model_validate({"name": "book", "fields": {name: selectors[name] for name in order}})
    straight = Recipe.model_validate({"name": "book", "fields": selectors})
    page = "https://books.example/"
    assert identify("r", page, recipe) == identify("r", page, straight)


@given(run_id=run_ids, url=urls, recipe=recipes)
def test_an_id_is_one_that_a_job_takes(run_id: str, url: str, recipe: Recipe) -> None:
    """Whatever it is made of, an id is 32 hex digits."""
    assert re.fullmatch(JOB_ID, identify(run_id, url, recipe))
