"""Several pages of one job: their items are one list, and their number is bounded."""

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
        bodies: the pages' bodies, by URL.
        failures: the errors that are raised instead, by URL.
        redirects: the URLs to which a URL redirects, by URL.
        requested: the requested URLs, in order.
    """

    bodies: dict[str, str]
    failures: dict[str, AttemptFailed] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> FetchedPage:
        """Return the page at `url`, or raise its failure."""
        self.requested.append(url)
        if url in self.failures:
            raise self.failures[url]
        url = self.redirects.get(url, url)
        return FetchedPage(url, 200, "text/html", self.bodies[url].encode())


def listing(*names: str, next_link: str = "") -> str:
    """Return the body of a page with items and a link to the next page."""
    link = f'<a rel="next" href="{next_link}">on</a>' if next_link else ""
    return "<ul>" + "".join(f"<li>{name}</li>" for name in names) + f"</ul>{link}"


def recipe(**more: Any) -> Recipe:  # noqa: ANN401 - JSON
    """Return a recipe whose `next` selects the link to the next page."""
    fields = {"name": {"xpath": ".", "required": True}}
    return Recipe.from_document(
        {"name": "r", "items": "li", "fields": fields, "next": "a[rel=next]", **more}, CHECKS
    )


def make_paginator(site: PagedSite, check_deadline: Callable[[], object] = lambda: None) -> Paginator:
    """Return a paginator over the site's pages."""
    return Paginator(site.fetch, check_deadline)


THREE = {
    FIRST: listing("a", "b", next_link="?page=2"),
    f"{FIRST}?page=2": listing("c", next_link="/list?page=3#top"),
    f"{FIRST}?page=3": listing("d"),
}


def test_items_of_all_pages_are_one_list() -> None:
    """In the order of the pages; size and hash are of all bodies together, the URL is the last page's."""
    paginator = make_paginator(PagedSite(THREE))
    extracted = paginator.scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c", "d"]
    assert extracted.warnings == []
    assert paginator.body_bytes == sum(map(len, THREE.values()))
    assert paginator.last_page is not None
    assert paginator.last_page.url == f"{FIRST}?page=3"
    assert len(paginator.body_sha256) == 64


def test_max_pages_bounds_the_pages_with_a_warning() -> None:
    """The outcome says that more pages follow."""
    site = PagedSite(THREE)
    extracted = make_paginator(site).scrape(recipe(max_pages=2), FIRST)
    assert site.requested == [FIRST, f"{FIRST}?page=2"]
    assert len(extracted.items) == 3
    assert extracted.warnings == ["more pages follow; max_pages is 2"]


def test_recipe_without_next_scrapes_one_page() -> None:
    """Links to further pages are not followed."""
    site = PagedSite(THREE)
    assert len(make_paginator(site).scrape(recipe(next=None), FIRST).items) == 2
    assert site.requested == [FIRST]


@pytest.mark.parametrize("back", [FIRST, "?", "#", "?page=2&", "HTTPS://SHOP.example:443/list"])
def test_next_that_leads_back_ends_the_job_with_a_warning(back: str) -> None:
    """A page that links to itself or to the first page is not scraped twice, however the link is spelled."""
    site = PagedSite(
        THREE | {f"{FIRST}?page=2": listing("c", next_link=back)},
        redirects={f"{FIRST}?page=2&": f"{FIRST}?page=2"},
    )
    extracted = make_paginator(site).scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]
    assert "page 2: next leads back to" in extracted.warnings[0]


def test_next_that_redirects_to_a_seen_page_ends_the_job_with_a_warning() -> None:
    """Some sites redirect from the page after the last one to the first."""
    site = PagedSite(THREE, redirects={f"{FIRST}?page=3": FIRST})
    extracted = make_paginator(site).scrape(recipe(), FIRST)
    assert len(site.requested) == 3
    assert any("leads back" in warning for warning in extracted.warnings)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]


def test_empty_page_fails_only_as_the_first() -> None:
    """A last page without items is a success; a job without any item is a `missing_field`."""
    site = PagedSite(THREE | {f"{FIRST}?page=3": listing()})
    assert len(make_paginator(site).scrape(recipe(), FIRST).items) == 3
    with pytest.raises(AttemptFailed, match="missing_field: no item on the page"):
        make_paginator(PagedSite({FIRST: listing()})).scrape(recipe(), FIRST)


def test_later_page_that_fails_fails_the_job() -> None:
    """A part of the items is not a success; the detail names the page's number."""
    failure = AttemptFailed(
        Reason.HTTP_5XX, "the site answered 503", http_status=503, final_url=f"{FIRST}?page=2"
    )
    paginator = make_paginator(PagedSite(THREE, {f"{FIRST}?page=2": failure}))
    with pytest.raises(AttemptFailed) as error:
        paginator.scrape(recipe(), FIRST)
    assert error.value.reason is Reason.HTTP_5XX
    assert error.value.detail == "page 2: the site answered 503"
    assert (paginator.url, paginator.last_page, paginator.body_bytes) == (
        f"{FIRST}?page=2",
        None,
        len(THREE[FIRST]),
    )


@pytest.mark.parametrize("link", ["javascript:next()", "ftp://x/", "http://me:pw@x/", "http://"])
def test_next_with_invalid_url_is_bad_url(link: str) -> None:
    """Each URL is checked as a job's URL is; the fetcher checks addresses and robots.txt."""
    site = PagedSite({FIRST: listing("a", next_link=link)})
    with pytest.raises(AttemptFailed, match="bad_url: next leads to"):
        make_paginator(site).scrape(recipe(), FIRST)
    assert site.requested == [FIRST]


def test_pages_share_one_budget() -> None:
    """The budget is the job's: a further page does not extend it."""
    seconds = iter(range(100))
    budget = PageBudget(4, clock=lambda: next(seconds))
    endless = {f"{FIRST}?p={n}": listing("a", next_link=f"?p={n + 1}") for n in range(100)}
    site = PagedSite(endless)
    with pytest.raises(AttemptFailed, match="page_budget_exceeded"):
        make_paginator(site, budget.remaining).scrape(recipe(max_pages=50), f"{FIRST}?p=0")
    assert len(site.requested) < 10
