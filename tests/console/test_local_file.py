"""`scrapeq dispatch` sends the URLs of a file on this machine in several requests of one run."""

import gzip
import json
from functools import reduce
from pathlib import Path

import pytest

from console.dispatch_response import DispatchResponse, added
from console.errors import UsageError
from console.local_file import dispatch_file
from contract.crawl import MAX_CRAWL_BYTES, Crawl
from contract.dispatch_report import SourceCounts
from contract.sources import MAX_INLINE_URLS
from extraction.selectors import CHECKS

PAGE = "https://shop.example/"


def crawl_of(path: Path, **fields: object) -> Crawl:
    """Return a crawl whose URLs are in a file; `fields` are added to its sources."""
    document = {
        "name": "books",
        "run_id": "books-1",
        "sources": {"urls_file": {"url": str(path)}, **fields},
        "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}},
        "limits": {"max_jobs": 30_000},
    }
    return Crawl.from_document(document, CHECKS)


class AcceptingDispatcher:
    """Publishes a job for every URL.

    Attributes:
        received: the crawls so far.
    """

    def __init__(self) -> None:
        self.received: list[Crawl] = []

    def post(self, crawl: Crawl) -> DispatchResponse:
        """Record a crawl and return a response; other sources than `urls` give one page."""
        assert len(crawl.model_dump_json(exclude_defaults=True)) < MAX_CRAWL_BYTES
        self.received.append(crawl)
        number = len(crawl.sources.urls) or 1
        counts = [SourceCounts(source="sources.site", found=1, published=1)]
        return DispatchResponse(run_id=crawl.run_id or "", published=number, sources=counts)


def dispatched(crawl: Crawl) -> tuple[DispatchResponse, list[Crawl], list[str]]:
    """Dispatch a crawl; return the sum of the responses, the crawls that were posted, and what was shown."""
    dispatcher, shown = AcceptingDispatcher(), list[str]()
    responses = dispatch_file(
        crawl, dispatcher.post, lambda *values: shown.append(" ".join(map(str, values)))
    )
    return reduce(added, responses), dispatcher.received, shown


def test_file_is_sent_in_requests_of_one_run(tmp_path: Path) -> None:
    """A gzipped file of 25,000 URLs is sent in three requests with one run_id, and progress is shown."""
    path = tmp_path / "urls.txt.gz"
    path.write_bytes(gzip.compress("".join(f"{PAGE}{number}\n" for number in range(25_000)).encode()))
    response, crawls, shown = dispatched(crawl_of(path, exclude=["*/x"]))
    assert [len(crawl.sources.urls) for crawl in crawls] == [MAX_INLINE_URLS, MAX_INLINE_URLS, 5_000]
    assert {crawl.run_id for crawl in crawls} == {"books-1"}
    assert all(crawl.sources.urls_file is None and crawl.sources.exclude for crawl in crawls)
    assert [url for crawl in crawls for url in crawl.sources.urls] == [f"{PAGE}{n}" for n in range(25_000)]
    assert (response.published, response.sources[-1].found) == (25_000, 25_000)
    assert shown[0].endswith("KiB read, 10,000 jobs published")


def test_long_urls_are_sent_in_requests_of_at_most_1_mb(tmp_path: Path) -> None:
    """Requests have fewer URLs if these are long."""
    path = tmp_path / "urls.txt"
    path.write_text("".join(f"{PAGE}{number:02000}\n" for number in range(1_000)))
    _, crawls, _ = dispatched(crawl_of(path))
    assert len(crawls) == 3


def test_lines_without_a_url_are_reported_and_pages_are_sent_once(tmp_path: Path) -> None:
    """Invalid lines are rejected with their numbers, and equivalent URLs are sent once for the whole file."""
    path = tmp_path / "urls.csv"
    path.write_text(f"id,url\n1,{PAGE}?a=1&b=2\n2,shop\n3\n4,{PAGE}?b=2&a=1\n")
    response, [crawl], _ = dispatched(crawl_of(path))
    assert crawl.sources.urls == (f"{PAGE}?a=1&b=2",)
    assert (response.duplicates, response.rejected_count) == (1, 2)
    assert [each.why.partition(":")[0] for each in response.rejected] == ["line 3", "line 4"]


def test_other_sources_are_sent_first(tmp_path: Path) -> None:
    """The other sources are one request, and the table of sources has them and the file."""
    path = tmp_path / "urls.txt"
    path.write_text(PAGE)
    response, crawls, _ = dispatched(crawl_of(path, site=PAGE))
    assert [(crawl.sources.site, crawl.sources.urls) for crawl in crawls] == [(PAGE, ()), (None, (PAGE,))]
    assert [counts.source for counts in response.sources] == ["sources.site", "sources.urls_file"]
    assert response.published == 2


def test_file_is_read_up_to_max_jobs(tmp_path: Path) -> None:
    """The file is not read beyond the run's limit, which holds for all requests together."""
    path = tmp_path / "urls.txt"
    path.write_text("".join(f"{PAGE}{number}\n" for number in range(40_000)))
    response, crawls, _ = dispatched(crawl_of(path))
    assert [crawl.limits.max_jobs for crawl in crawls] == [30_000, 20_000, 10_000]
    assert (response.published, response.over_limit, response.unread_count) == (30_000, 1, 1)


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (None, "urls.txt", "No such file or directory"),
        (gzip.compress(PAGE.encode(), mtime=0)[:-9], "urls.txt", "Compressed file ended"),
        (b"id,link\n", "urls.csv", "there is no column 'url'"),
    ],
)
def test_file_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, content: bytes | None, name: str, why: str
) -> None:
    """The error names the file and the reason, and nothing is sent."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"{name} cannot be read: .*{why}"):
        dispatched(crawl_of(path))


def test_crawl_with_a_file_can_be_written_as_json(tmp_path: Path) -> None:
    """The crawl that is posted has the fields of the file."""
    crawl = crawl_of(tmp_path / "urls.csv", include=["*"])
    document = json.loads(crawl.model_dump_json(exclude_defaults=True))
    assert Crawl.from_document(document, CHECKS) == crawl
