"""Tests which page follows a page of a listing: every page is a job of its own, and every listing ends."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.job import MAX_JOB_BYTES, Job, url_digest
from contract.job_id import identify
from contract.outcome_record import ListingEnd
from tests.servers.pushes import job
from worker.pagination import NextPage, is_repeated, next_page

FIRST = "https://shop.example/list"
SECOND, THIRD = f"{FIRST}?page=2", f"{FIRST}?page=3"


def listing_job(url: str = FIRST, *, max_pages: int = 1000, **changed: object) -> Job:
    """Return the job of a listing's first page; `changed` are fields of the job."""
    fields = {"name": {"xpath": ".", "required": True}}
    recipe = {"name": "r", "items": "li", "fields": fields, "next": "a[rel=next]", "max_pages": max_pages}
    return Job.decode(job(url=url, recipe=recipe, **changed))


def following(job: Job, link: str, page_url: str = "") -> Job:
    """Return the job of the next page, which must exist."""
    next_job = next_page(job, page_url or job.url, link).job
    assert next_job is not None
    return next_job


def test_next_page_is_a_job_of_the_same_run() -> None:
    """The job of the next page has its own id; only the fields that concern the page are different."""
    first = listing_job(
        politeness={"delay_seconds": 2, "per_host": 3},
        attempts=3,
        defers=7,
        not_before="2026-11-22T06:00:04Z",
    )
    second = following(first, f"{SECOND}#top")
    assert second.url == SECOND
    assert (second.page, second.listing) == (2, first.job_id)
    assert (second.attempts, second.defers, second.not_before) == (0, 0, None)
    assert second.visited == (url_digest(FIRST),)
    assert second.job_id == identify(first.run_id, second.url, first.recipe, first.job_id) != first.job_id
    kept = {"version", "run_id", "crawl", "recipe", "politeness", "dispatched_at"}
    assert second.model_dump(include=kept) == first.model_dump(include=kept)
    third = following(second, THIRD)
    assert (third.page, third.listing) == (3, first.job_id)
    assert third.visited == (url_digest(FIRST), url_digest(SECOND))
    assert third.attributes("") == first.attributes("") | {
        "job_id": third.job_id,
        "listing": first.job_id,
        "page": "3",
    }


def test_a_redirect_is_visited_with_both_urls() -> None:
    """If a page redirects, a link back to either of its two URLs is a loop."""
    second = following(listing_job(), SECOND, page_url=f"{FIRST}/new")
    assert second.visited == (url_digest(FIRST), url_digest(f"{FIRST}/new"))


def test_recipe_without_next_has_no_next_page_and_no_end() -> None:
    """Without `next` in the recipe a page belongs to no listing, so nothing follows and nothing ends."""
    assert next_page(Job.decode(job()), FIRST, "") == NextPage()


def test_page_without_link_is_the_last_page() -> None:
    """A listing whose page has no link ends, and this needs no warning."""
    assert next_page(listing_job(), FIRST, "") == NextPage(end=ListingEnd.LAST_PAGE)


def test_max_pages_ends_the_listing_with_a_warning() -> None:
    """After `max_pages` pages the link is not followed, and a warning reports it."""
    second = following(listing_job(max_pages=2), SECOND)
    assert next_page(second, SECOND, THIRD) == NextPage(
        end=ListingEnd.MAX_PAGES, warning="more pages follow; max_pages is 2"
    )
    assert next_page(second, SECOND, "").end is ListingEnd.LAST_PAGE


@pytest.mark.parametrize(
    "back", [FIRST, SECOND, f"{FIRST}#", f"{FIRST}?page=2&#x", "HTTPS://SHOP.example:443/list", f"{FIRST}/x"]
)
def test_next_that_leads_back_ends_the_listing(back: str) -> None:
    """A link to a page of the listing, in any equivalent form of its URL, is not followed."""
    second = following(listing_job(), SECOND, page_url=f"{FIRST}/x")
    end = next_page(second, f"{SECOND}&sort=name", back)
    assert (end.job, end.end) == (None, ListingEnd.LOOP)
    assert end.warning == f"the listing ends at page 2: next leads back to {back}"


def test_page_that_redirects_back_ends_the_listing() -> None:
    """If a further page redirects to an earlier page, the listing ends, whatever that page links to."""
    second = following(listing_job(), SECOND)
    assert is_repeated(second, FIRST)
    assert not is_repeated(second, SECOND)
    for link in ("", THIRD):
        end = next_page(second, FIRST, link)
        assert (end.job, end.end) == (None, ListingEnd.LOOP)
        assert end.warning == f"the listing ends at page 2, which redirects back to {FIRST}"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:void(0)",
        "mailto:shop@shop.example",
        "ftp://shop.example/",
        "http://me:pw@shop.example/",
        "http://",
        "http://[::1",
        "https://shop.example:99999/",
    ],
)
def test_next_with_invalid_url_ends_the_listing_with_a_warning(link: str) -> None:
    """A link that is no URL that can be fetched ends the listing, and the page itself has succeeded."""
    end = next_page(listing_job(), FIRST, link)
    assert (end.job, end.end) == (None, ListingEnd.BAD_NEXT)
    shown = link.replace("me:pw@", "***@")
    assert end.warning.startswith(f"the listing ends at page 1: next leads to {shown!r}: ")


def test_next_job_that_would_be_too_large_ends_the_listing() -> None:
    """If the next job would exceed the maximum size of a job, the listing ends with a warning."""
    visited = [url_digest(f"{FIRST}?{number}") for number in range(1000)]
    page = listing_job(SECOND, page=600, listing="0" * 32, visited=visited)
    room = MAX_JOB_BYTES - len(following(page, THIRD).encode())
    fits = page.model_copy(update={"run_id": page.run_id + "x" * room})
    assert len(following(fits, THIRD).encode()) == MAX_JOB_BYTES
    end = next_page(fits, SECOND, f"{THIRD}0")
    assert (end.job, end.end) == (None, ListingEnd.TOO_LARGE)
    assert end.warning == f"the listing ends at page 600: the next job would exceed {MAX_JOB_BYTES} bytes"


paths = st.sampled_from([f"{FIRST}?page={number}" for number in range(6)])


@given(
    links=st.lists(st.sampled_from(["", "javascript:x"]) | paths, min_size=60, max_size=60),
    redirects=st.lists(st.none() | paths, min_size=60, max_size=60),
    max_pages=st.integers(1, 40),
)
def test_every_listing_ends(links: Sequence[str], redirects: Sequence[str | None], max_pages: int) -> None:
    """Wherever its pages link and redirect to, a listing ends after at most `max_pages` different pages."""
    page: Job | None = listing_job(max_pages=max_pages)
    requested = list[str]()
    for link, redirect in zip(links, redirects, strict=True):
        assert page is not None
        requested.append(page.url)
        result = next_page(page, redirect or page.url, link)
        assert (result.job is None) != (result.end is None)
        if result.job is None:
            break
        page = Job.decode(result.job.encode())
        assert page == result.job
    else:
        pytest.fail("the listing did not end")
    assert len(requested) == len(set(requested)) <= max_pages
