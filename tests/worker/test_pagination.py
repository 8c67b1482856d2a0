"""Tests jobs of several pages: their items form one list, and the number of pages is limited."""

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
        failures: the errors that are raised instead of returning a page, by URL.
        redirects: the target of each URL that redirects, by URL.
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


def recipe(**more: Any) -> Recipe:  # noqa: ANN401 - JSON values
    """Return a recipe whose `next` selects the link to the next page; `more` sets further keys."""
    fields = {"name": {"xpath": ".", "required": True}}
    return Recipe.from_document(
        {"name": "r", "items": "li", "fields": fields, "next": "a[rel=next]", **more}, CHECKS
    )


def make_paginator(site: PagedSite, check_deadline: Callable[[], object] = lambda: None) -> Paginator:
    """Return a paginator that fetches the site's pages."""
    return Paginator(site.fetch, check_deadline)


THREE_PAGES = {
    FIRST: listing("a", "b", next_link="?page=2"),
    f"{FIRST}?page=2": listing("c", next_link="/list?page=3#top"),
    f"{FIRST}?page=3": listing("d"),
}


def test_items_of_all_pages_are_one_list() -> None:
    """The items are in the order of the pages; `body_bytes` is the sum of all pages."""
    paginator = make_paginator(PagedSite(THREE_PAGES))
    extracted = paginator.scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c", "d"]
    assert extracted.warnings == []
    assert paginator.body_bytes == sum(map(len, THREE_PAGES.values()))
    assert paginator.last_page is not None
    assert paginator.last_page.url == f"{FIRST}?page=3"
    assert len(paginator.body_sha256) == 64


def test_max_pages_limits_the_pages_with_a_warning() -> None:
    """After `max_pages` pages the next link is not followed, and a warning reports it."""
    site = PagedSite(THREE_PAGES)
    extracted = make_paginator(site).scrape(recipe(max_pages=2), FIRST)
    assert site.requested == [FIRST, f"{FIRST}?page=2"]
    assert len(extracted.items) == 3
    assert extracted.warnings == ["more pages follow; max_pages is 2"]


def test_recipe_without_next_scrapes_one_page() -> None:
    """Without `next` in the recipe, links to further pages are not followed."""
    site = PagedSite(THREE_PAGES)
    assert len(make_paginator(site).scrape(recipe(next=None), FIRST).items) == 2
    assert site.requested == [FIRST]


@pytest.mark.parametrize("back", [FIRST, "?", "#", "?page=2&", "HTTPS://SHOP.example:443/list"])
def test_next_that_leads_back_ends_the_job_with_a_warning(back: str) -> None:
    """A link to the page itself or to the first page is not followed, in any equivalent form of the URL."""
    site = PagedSite(
        THREE_PAGES | {f"{FIRST}?page=2": listing("c", next_link=back)},
        redirects={f"{FIRST}?page=2&": f"{FIRST}?page=2"},
    )
    extracted = make_paginator(site).scrape(recipe(), FIRST)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]
    assert "page 2: next leads back to" in extracted.warnings[0]


def test_next_that_redirects_to_a_seen_page_ends_the_job_with_a_warning() -> None:
    """If the next page redirects to a page that was already scraped, the job succeeds with a warning."""
    site = PagedSite(THREE_PAGES, redirects={f"{FIRST}?page=3": FIRST})
    extracted = make_paginator(site).scrape(recipe(), FIRST)
    assert len(site.requested) == 3
    assert any("leads back" in warning for warning in extracted.warnings)
    assert [item["name"] for item in extracted.items] == ["a", "b", "c"]


def test_first_page_without_items_fails_and_a_later_one_does_not() -> None:
    """A later page may have no items; if the first page has no items, the job fails with `missing_field`."""
    site = PagedSite(THREE_PAGES | {f"{FIRST}?page=3": listing()})
    assert len(make_paginator(site).scrape(recipe(), FIRST).items) == 3
    with pytest.raises(AttemptFailed, match="missing_field: no item on the page"):
        make_paginator(PagedSite({FIRST: listing()})).scrape(recipe(), FIRST)


def test_later_page_that_fails_fails_the_job() -> None:
    """If a later page fails, the job fails with that page's reason, and the detail has the page's number."""
    failure = AttemptFailed(
        Reason.HTTP_5XX, "the site answered 503", http_status=503, final_url=f"{FIRST}?page=2"
    )
    paginator = make_paginator(PagedSite(THREE_PAGES, {f"{FIRST}?page=2": failure}))
    with pytest.raises(AttemptFailed) as error:
        paginator.scrape(recipe(), FIRST)
    assert error.value.reason is Reason.HTTP_5XX
    assert error.value.detail == "page 2: the site answered 503"
    assert (paginator.url, paginator.last_page, paginator.body_bytes) == (
        f"{FIRST}?page=2",
        None,
        len(THREE_PAGES[FIRST]),
    )


@pytest.mark.parametrize("link", ["javascript:next()", "ftp://x/", "http://me:pw@x/", "http://"])
def test_next_with_invalid_url_fails_with_bad_url(link: str) -> None:
    """A next link that is no valid job URL fails with `bad_url` and is not requested."""
    site = PagedSite({FIRST: listing("a", next_link=link)})
    with pytest.raises(AttemptFailed, match="bad_url: next leads to"):
        make_paginator(site).scrape(recipe(), FIRST)
    assert site.requested == [FIRST]


def test_pages_share_one_budget() -> None:
    """All pages of a job use one page budget, which a further page does not extend."""
    seconds = iter(range(100))
    budget = PageBudget(4, clock=lambda: next(seconds))
    endless = {f"{FIRST}?p={n}": listing("a", next_link=f"?p={n + 1}") for n in range(100)}
    site = PagedSite(endless)
    with pytest.raises(AttemptFailed, match="page_budget_exceeded"):
        make_paginator(site, budget.remaining).scrape(recipe(max_pages=50), f"{FIRST}?p=0")
    assert len(site.requested) < 10
