"""Tests of `scrapeq dead replay --recipe`, which replaces jobs by new ones with a mended recipe."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.outcome import Reason
from contract.recipe import Recipe
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC
from extraction.selectors import CHECKS
from tests.console.command import run_scrapeq
from tests.console.dead_letters.line import MENDED, RECIPE, RUN, Line, make_job

LISTING: dict[str, Any] = {**RECIPE, "next": {"css": "a.next"}}
MENDED_LISTING: dict[str, Any] = {**MENDED, "next": {"css": "a.next"}}


def replace(line: Line, folder: Path, recipe: Mapping[str, Any], *options: object) -> str:
    """Run `scrapeq dead replay --recipe` with a recipe; return its output."""
    file = folder / "mended.yaml"
    file.write_text(json.dumps(dict(recipe)), encoding="utf-8")
    words = ("dead", "replay", "--recipe", file, *options, "--pubsub", line.host, "--data", line.ledger.data)
    done = run_scrapeq(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_dead_pages_come_home_with_a_mended_recipe(line: Line, tmp_path: Path) -> None:
    """Each dead job is replaced by one for the same page, which names it; the accounting adds up."""
    good, *dead = line.dispatch("good", "a", "b")
    line.end([good], items='[{"title": "x"}]', item_count=1)
    line.die(dead, Reason.MISSING_FIELD, detail="title: nothing on the page matches h1")
    assert "replayed 2, left 0" in replace(line, tmp_path, MENDED)
    assert line.accounting(replaced=2, in_flight=2, dead=0).adds_up
    jobs = line.take(2)
    assert {job.replaces for job in jobs} == {job.job_id for job in dead}
    assert {job.url for job in jobs} == {job.url for job in dead}
    assert all(job.recipe == Recipe.from_document(MENDED, CHECKS) for job in jobs)
    assert line.dead_letters() == []
    for job in jobs:
        line.end([job], original=job.original)
    ended = line.accounting(succeeded=3, replaced=2)
    assert (ended.adds_up, ended.dispatched) == (True, 5)
    assert sorted(result.url[-1] for result in line.ledger.results(RUN)) == ["a", "b", "d"]


def test_same_recipe_is_refused(line: Line, tmp_path: Path) -> None:
    """Jobs that have the recipe already are not replaced, and a sentence says so."""
    line.die(line.dispatch("a"), Reason.MISSING_FIELD)
    shown = replace(line, tmp_path, RECIPE)
    assert "1 are left out, because they have this very recipe already" in shown
    assert len(line.dead_letters()) == 1


def test_recipe_that_was_tried_before_is_refused(line: Line, tmp_path: Path) -> None:
    """A page that died with two recipes is not given the first one again, which would be the same job."""
    line.die(line.dispatch("a"), Reason.MISSING_FIELD)
    replace(line, tmp_path, MENDED)
    line.die(line.take(1), Reason.MISSING_FIELD)
    assert "were tried with this very recipe before" in replace(line, tmp_path, RECIPE)
    assert line.accounting(replaced=1, dead=1).adds_up


def test_replacement_that_dies_is_replaced_again_and_has_one_result(line: Line, tmp_path: Path) -> None:
    """A chain of replacements is one page: it has one result, and each job but the last is replaced."""
    [first] = line.dispatch("a")
    line.die([first], Reason.MISSING_FIELD)
    replace(line, tmp_path, MENDED)
    line.die(line.take(1), Reason.MISSING_FIELD)
    replace(line, tmp_path, {**MENDED, "name": "third"})
    [last] = line.take(1)
    assert last.original == first.job_id
    line.end([last], original=last.original)
    assert line.accounting(replaced=2, succeeded=1, dead=0).adds_up
    assert [result.job_id for result in line.ledger.results(RUN)] == [last.job_id]


def test_pages_that_succeeded_without_a_field_are_replaced(line: Line, tmp_path: Path) -> None:
    """--failed-field selects pages with an empty field, and those that died of it; old results stay first."""
    empty, full, dead, other = line.dispatch("empty", "full", "dead", "other")
    line.end([empty], items='[{"title": null}]', item_count=1)
    line.end([full], items='[{"title": "x"}]', item_count=1)
    line.die([dead], Reason.MISSING_FIELD, detail="title: nothing on the page matches h1")
    line.die([other], Reason.TIMEOUT)
    line.accounting(succeeded=2, dead=2)
    assert "replayed 2, left 0" in replace(line, tmp_path, MENDED, "--failed-field", "title")
    jobs = line.take(2)
    assert {job.replaces for job in jobs} == {empty.job_id, dead.job_id}
    line.accounting(replaced=2)
    assert {result.url for result in line.ledger.results(RUN)} == {empty.url, full.url}
    for job in jobs:
        line.end([job], original=job.original, items='[{"title": "new"}]', item_count=1)
    line.accounting(succeeded=3)
    assert sorted((result.url[21:], result.items[0]["title"]) for result in line.ledger.results(RUN)) == [
        ("dead", "new"),
        ("empty", "new"),
        ("full", "x"),
    ]


def test_unknown_field_is_reported_with_what_was_meant(line: Line, tmp_path: Path) -> None:
    """If no item has the field, nothing is published, and the fields are listed."""
    line.end(line.dispatch("a"), items='[{"title": "x"}]', item_count=1)
    line.accounting(succeeded=1)
    file = tmp_path / "mended.yaml"
    file.write_text(json.dumps(MENDED))
    options = ("--recipe", file, "--failed-field", "titel", "--pubsub", line.host, "--data", line.ledger.data)
    done = run_scrapeq("dead", "replay", *options)
    assert (done.exit_code, done.stderr) == (
        2,
        f"No item of run {RUN} has a field 'titel'. Did you mean title? The fields are title.\n",
    )


def test_first_page_of_a_listing_is_replaced_within_its_listing(line: Line, tmp_path: Path) -> None:
    """The pages that follow the replacement belong to the listing of the page that it replaces."""
    [first] = line.dispatch("list", recipe=LISTING)
    line.die([first], Reason.MISSING_FIELD)
    replace(line, tmp_path, MENDED_LISTING)
    [again] = line.take(1)
    assert (again.listing_id, again.page) == (first.job_id, 1)
    second = again.next_page("https://shop.example/list?page=2")
    line.end([again], original=again.original, next_url=second.url, item_count=1)
    line.publish(JOBS_TOPIC, [(second.encode(), second.attributes(""))])
    line.end(line.take(1), listing_end="last_page", item_count=1)
    assert line.accounting(succeeded=2, replaced=1, dead=0).adds_up
    [listing] = line.ledger.listings(RUN)
    assert (listing.listing, listing.state, listing.pages, listing.url) == (
        first.job_id,
        "complete",
        2,
        first.url,
    )


def test_page_in_the_middle_of_a_listing_is_replaced_without_scraping_the_next_pages_again(
    line: Line, tmp_path: Path
) -> None:
    """A page that succeeded with an empty field, and whose next page exists, does not follow `next` again."""
    [first] = line.dispatch("list", recipe=LISTING)
    second = first.next_page("https://shop.example/list?page=2")
    line.end([first], items='[{"title": null}]', item_count=1, next_url=second.url)
    line.publish(JOBS_TOPIC, [(second.encode(), second.attributes(""))])
    line.end(line.take(1), items='[{"title": "x"}]', item_count=1, listing_end="last_page")
    line.accounting(succeeded=2)
    replace(line, tmp_path, MENDED_LISTING, "--failed-field", "title")
    [again] = line.take(1)
    assert (again.listing_id, again.page, again.recipe.max_pages) == (first.job_id, 1, 1)
    line.end(
        [again], original=again.original, items='[{"title": "new"}]', item_count=1, listing_end="max_pages"
    )
    assert line.accounting(succeeded=2, replaced=1).adds_up
    assert [result.items[0]["title"] for result in line.ledger.results(RUN)] == ["new", "x"]
    [listing] = line.ledger.listings(RUN)
    assert (listing.state, listing.pages, listing.ended_by) == ("complete", 2, "last_page")


def test_message_that_is_no_job_is_not_replaced(line: Line, tmp_path: Path) -> None:
    """An unreadable message has no recipe, so it stays a dead letter, and a sentence says so."""
    job = make_job("a")
    attributes = job.attributes("")
    line.publish(JOBS_TOPIC, [(b"{}", attributes)])
    line.publish(DEAD_LETTER_TOPIC, [(b"{}", attributes)])
    line.await_states("dead", [job])
    shown = replace(line, tmp_path, MENDED)
    assert "1 are left out, because they are no jobs that this version can read" in shown
    assert len(line.dead_letters()) == 1


@pytest.mark.parametrize("options", [("--failed-field", "title"), ("--recipe", "missing.yaml")])
def test_option_that_cannot_be_used_is_reported(line: Line, options: tuple[str, ...]) -> None:
    """--failed-field without --recipe, and a recipe that does not exist, are refused with status 2."""
    done = run_scrapeq("dead", "replay", *options, "--pubsub", line.host, "--data", line.ledger.data)
    assert done.exit_code in {1, 2}
    assert done.stderr.endswith(".\n")
