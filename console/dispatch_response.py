"""The dispatcher's response to a crawl: what became of the URLs of its sources. Pure."""

from pydantic import BaseModel

from contract.dispatch_report import ListedUrl, SourceCounts

MAX_LISTED = 1_000  #: maximum number of rejected URLs that are shown


class DispatchResponse(BaseModel):
    """The dispatcher's response to a crawl.

    Attributes:
        run_id: id of the run.
        published: number of jobs that Pub/Sub confirmed.
        duplicates: number of URLs of pages for which the crawl already had a job.
        over_limit: number of URLs beyond `limits.max_jobs`.
        rejected: the first invalid URLs, each with the reason.
        rejected_count: number of all invalid URLs, including those that are not in `rejected`.
        filtered: number of URLs that `include` and `exclude` left out.
        outdated: number of URLs that `since` left out.
        outdated_sitemaps: number of listed sitemaps that were not read because of `since`.
        unread: the first parts of sources that were not read, or not completely, each with the reason.
        unread_count: number of all of them.
        sources: the counts of each source.
        continues: whether the dispatch continues in a further request, whose counts are not known yet.
        dispatch_id: id of the dispatch in the ledger; `""` if its end is not recorded.
    """

    run_id: str
    published: int = 0
    duplicates: int = 0
    over_limit: int = 0
    rejected: list[ListedUrl] = []
    rejected_count: int = 0
    filtered: int = 0
    outdated: int = 0
    outdated_sitemaps: int = 0
    unread: list[ListedUrl] = []
    unread_count: int = 0
    sources: list[SourceCounts] = []
    continues: bool = False
    dispatch_id: str = ""


def added(total: DispatchResponse, more: DispatchResponse) -> DispatchResponse:
    """Return the sums of two responses of a run, with the sources of both."""
    numbers = {
        name: getattr(total, name) + getattr(more, name)
        for name, field in DispatchResponse.model_fields.items()
        if field.annotation is int
    }
    lists = {
        name: [*getattr(total, name), *getattr(more, name)][:MAX_LISTED] for name in ("rejected", "unread")
    }
    sources = [*total.sources, *more.sources]
    return total.model_copy(update={**numbers, **lists, "sources": sources})
