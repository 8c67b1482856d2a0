"""Decides which page follows a page of a listing. Pure.

Each page of a listing is a job of its own, so delays, retries and time limits apply to each page. The link to
the next page comes from the recipe's `next`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contract.job import MAX_JOB_BYTES, Job, url_digest
from contract.outcome_record import ListingEnd
from contract.quoting import quote, shorten
from contract.urls import check_url


@dataclass(frozen=True)
class NextPage:
    """What follows a page.

    Attributes:
        job: the job of the next page; None if no page follows.
        end: why no page follows; None if one follows, or if the recipe has no `next`.
        warning: a sentence for people if the listing ends although the page has a link; else `""`.
    """

    job: Job | None = None
    end: ListingEnd | None = None
    warning: str = ""


def is_repeated(job: Job, page_url: str) -> bool:
    """Return whether a redirect led a further page of a listing back to an earlier page.

    Args:
        job: the job of the page.
        page_url: URL of the page after redirects.
    """
    return bool(job.visited) and url_digest(page_url) in job.visited


def next_page(job: Job, page_url: str, link: str, *, public_only: bool = False) -> NextPage:
    """Return what follows a page.

    Args:
        job: the job of the page.
        page_url: URL of the page after redirects.
        link: absolute URL of the link to the next page, not validated; `""` if there is none.
        public_only: whether the page came from a public address, so that its link must lead to one, too.
    """
    if job.recipe.next is None:
        return NextPage()
    end = _listing_end(job, page_url, link)
    if end is not None:
        return end
    following = job.next_page(check_url(link), page_url, public_only=public_only)
    try:
        following.encode()
    except ValueError:
        warning = f"the listing ends at page {job.page}: the next job would exceed {MAX_JOB_BYTES} bytes"
        return NextPage(end=ListingEnd.TOO_LARGE, warning=warning)
    return NextPage(following)


def without_secret(following: NextPage, job: Job, contains_secret: Callable[[str], bool]) -> NextPage:
    """Return the end of the listing if the URL of its next page contains a secret, which a job would publish.

    Args:
        following: what follows the page.
        job: the job of the page.
        contains_secret: returns whether a text contains a secret.
    """
    if following.job is None or not contains_secret(following.job.url):
        return following
    warning = f"the listing ends at page {job.page}: the URL of the next page contains a secret"
    return NextPage(end=ListingEnd.BAD_NEXT, warning=warning)


def _listing_end(job: Job, page_url: str, link: str) -> NextPage | None:
    """Return why no page follows; None if the link leads to a further page."""
    ends_here = f"the listing ends at page {job.page}"
    if is_repeated(job, page_url):
        return NextPage(end=ListingEnd.LOOP, warning=f"{ends_here}, which redirects back to {page_url}")
    if not link:
        return NextPage(end=ListingEnd.LAST_PAGE)
    try:
        digest = url_digest(check_url(link))
    except ValueError as error:
        warning = f"{ends_here}: next leads to {quote(link)}: {error}"
        return NextPage(end=ListingEnd.BAD_NEXT, warning=warning)
    if digest in {*job.visited, url_digest(job.url), url_digest(page_url)}:
        return NextPage(end=ListingEnd.LOOP, warning=f"{ends_here}: next leads back to {shorten(link, 200)}")
    if job.page >= job.recipe.max_pages:
        return NextPage(
            end=ListingEnd.MAX_PAGES, warning=f"more pages follow; max_pages is {job.recipe.max_pages}"
        )
    return None
