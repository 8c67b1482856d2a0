"""Several pages of one job: fetched by the same fetch, appended, counted, and never for ever."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.selectors import CHECKS
from worker.budget import PageBudget
from worker.page import FetchedPage
from worker.pagination import Paginator

FIRST = "https://shop.example/list"


@dataclass
class PagedSite:
    """A site of numbered pages, each with a link to the next.

    Attributes:
        bodies: the pages by URL.
        endings: what is raised instead, by URL.
        asked: the URLs, in order.
    """

    bodies: dict[str, str]
    endings: dict[str, AttemptFailed] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> FetchedPage:
        """Return the page."""
        self.asked.append(url)
        if url in self.endings:
            raise self.endings[url]
        final = self.moved.get(url, url)
        return FetchedPage(final, 200, "text/html", self.bodies[final].encode())


def listing(*names: str, next_link: str = "") -> str:
    """Return a page with items, and a link to the next."""
    link = f'<a rel="next" href="{next_link}">on</a>' if next_link else ""
    return "<ul>" + "".join(f"<li>{name}</li>" for name in names) + f"</ul>{link}"


def recipe(**more: Any) -> Recipe:  # noqa: ANN401 - JSON
    """Return a recipe that turns pages."""
    fields = {"name": {"xpath": ".", "required": True}}
    return Recipe.from_document(
        {"name": "r", "items": "li", "fields": fields, "next": "a[rel=next]", **more}, CHECKS
    )


def pages_of(site: PagedSite, tick: Callable[[], object] = lambda: None) -> Paginator:
    """Return the pages of a job on a site."""
    return Paginator(site.fetch, tick)


THREE = {
    FIRST: listing("a", "b", next_link="?page=2"),
    f"{FIRST}?page=2": listing("c", next_link="/list?page=3#top"),
    f"{FIRST}?page=3": listing("d"),
}


def test_the_items_of_all_pages_are_one_list() -> None:
    """In the order of the pages; bytes and hash are of all bodies, the URL is the last page's."""
    pages = pages_of(PagedSite(THREE))
    extracted = pages.scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c", "d"]
    assert extracted.warnings == []
    assert pages.body_bytes == sum(map(len, THREE.values()))
    assert pages.last_page is not None
    assert pages.last_page.url == f"{FIRST}?page=3"
    assert len(pages.body_sha256) == 64


def test_no_more_pages_are_taken_than_the_recipe_says() -> None:
    """And the outcome says that there would have been more."""
    site = PagedSite(THREE)
    extracted = pages_of(site).scrape(recipe(max_pages=2), FIRST)
    assert site.asked == [FIRST, f"{FIRST}?page=2"]
    assert len(extracted.items) == 3
    assert extracted.warnings == ["more pages follow; max_pages is 2"]


def test_without_next_there_is_one_page() -> None:
    """As it always was."""
    site = PagedSite(THREE)
    assert len(pages_of(site).scrape(recipe(next=None), FIRST).items) == 2
    assert site.asked == [FIRST]


@pytest.mark.parametrize("back", [FIRST, "?", "#", "?page=2&", "HTTPS://SHOP.example:443/list"])
def test_a_circle_is_left(back: str) -> None:
    """A last page that links to itself or to the first does not count twice, however it spells that."""
    site = PagedSite(
        THREE | {f"{FIRST}?page=2": listing("c", next_link=back)},
        moved={f"{FIRST}?page=2&": f"{FIRST}?page=2"},
    )
    extracted = pages_of(site).scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]
    assert "page 2: next leads back to" in extracted.warnings[0]


def test_a_page_that_redirects_to_one_already_seen_is_the_last() -> None:
    """Sites send whoever asks for the page after the last to the first."""
    site = PagedSite(THREE, moved={f"{FIRST}?page=3": FIRST})
    extracted = pages_of(site).scrape(recipe(), FIRST)
    assert len(site.asked) == 3
    assert any("leads back" in remark for remark in extracted.warnings)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]


def test_an_empty_last_page_is_no_failure() -> None:
    """Only a job without any item lacks what is required."""
    site = PagedSite(THREE | {f"{FIRST}?page=3": listing()})
    assert len(pages_of(site).scrape(recipe(), FIRST).items) == 3
    with pytest.raises(AttemptFailed, match="missing_field: no item on the page"):
        pages_of(PagedSite({FIRST: listing()})).scrape(recipe(), FIRST)


def test_a_later_page_that_fails_fails_the_job() -> None:
    """Half a list is no success; the reason names the page, and what was known of it."""
    ending = AttemptFailed(
        Reason.HTTP_5XX, "the site answered 503", http_status=503, final_url=f"{FIRST}?page=2"
    )
    pages = pages_of(PagedSite(THREE, {f"{FIRST}?page=2": ending}))
    with pytest.raises(AttemptFailed) as ended:
        pages.scrape(recipe(), FIRST)
    assert ended.value.reason is Reason.HTTP_5XX
    assert ended.value.detail == "page 2: the site answered 503"
    assert (pages.url, pages.last_page, pages.body_bytes) == (f"{FIRST}?page=2", None, len(THREE[FIRST]))


@pytest.mark.parametrize("link", ["javascript:next()", "ftp://x/", "http://me:pw@x/", "http://"])
def test_a_next_that_is_no_page_is_told(link: str) -> None:
    """Each URL is checked like that of any job; addresses and robots are the fetcher's to refuse."""
    site = PagedSite({FIRST: listing("a", next_link=link)})
    with pytest.raises(AttemptFailed, match="bad_url: next leads to"):
        pages_of(site).scrape(recipe(), FIRST)
    assert site.asked == [FIRST]


def test_the_pages_share_one_budget() -> None:
    """The time of a job does not begin anew with each page."""
    seconds = iter(range(100))
    budget = PageBudget(4, clock=lambda: next(seconds))
    endless = {f"{FIRST}?p={n}": listing("a", next_link=f"?p={n + 1}") for n in range(100)}
    site = PagedSite(endless)
    with pytest.raises(AttemptFailed, match="page_budget_exceeded"):
        pages_of(site, budget.remaining).scrape(recipe(max_pages=50), f"{FIRST}?p=0")
    assert len(site.asked) < 10
