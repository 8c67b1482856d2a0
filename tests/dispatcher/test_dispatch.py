"""A dispatch publishes the jobs of a crawl, waits for their confirmations, and responds with counts."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.job import Job
from dispatcher.dispatch import Dispatcher, DispatchResponse, ReadSitemap
from dispatcher.plan import MAX_LISTED_REJECTED
from dispatcher.sitemap_entry import SitemapUnavailable, SitemapUnreadable, UnreadSitemap
from guarded_http.scope import NetworkScope
from publishing.publisher import PublishUnconfirmed
from tests.servers.recording_publisher import RecordingPublisher

NOW = datetime(2026, 11, 22, 6, 0, 3, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CRAWL: dict[str, Any] = {
    "name": "books",
    "sources": {"urls": ["https://shop.example/1", "https://shop.example/2"]},
    "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}},
    "politeness": {"delay_seconds": 0.5},
}


def crawl(*urls: str, **changed: object) -> bytes:
    """Return the JSON of a crawl with these URLs and changed fields."""
    sources = {"sources": {"urls": urls}} if urls else {}
    return json.dumps(CRAWL | sources | changed).encode()


def no_sitemap(
    sitemap: str, scope: NetworkScope, /, *, delay_seconds: float, reads_foreign: bool, respects_robots: bool
) -> Iterator[str | UnreadSitemap]:
    """Fail the test, because no sitemap may be read."""
    raise AssertionError(
        f"unexpected request for {sitemap}: {scope}, {delay_seconds}, {reads_foreign}, {respects_robots}"
    )


def dispatch(
    publisher: RecordingPublisher,
    body: bytes = crawl(),
    *,
    schedule_time: str = "",
    read_sitemap: ReadSitemap = no_sitemap,
    now: datetime = NOW,
) -> DispatchResponse:
    """Dispatch a crawl; return the response."""
    dispatcher = Dispatcher(publisher, read_sitemap, lambda: now)
    return dispatcher.dispatch(body, schedule_time=schedule_time, traceparent=TRACEPARENT)


def jobs(publisher: RecordingPublisher) -> list[Job]:
    """Return the published jobs."""
    return [Job.decode(message.data) for message in publisher.published]


def test_a_crawl_becomes_one_job_per_page(publisher: RecordingPublisher) -> None:
    """A job is published for each URL, in order, with the crawl's settings and with a job's attributes."""
    response = dispatch(publisher)
    assert response == DispatchResponse(
        200,
        {
            "run_id": "books-2026-11-22T06:00:03Z",
            "published": 2,
            "duplicates": 0,
            "rejected": [],
            "rejected_count": 0,
            "unread_sitemaps": [],
            "unread_sitemap_count": 0,
            "over_limit": 0,
        },
    )
    first, second = jobs(publisher)
    assert [first.url, second.url] == CRAWL["sources"]["urls"]
    assert (first.run_id, first.crawl, first.dispatched_at) == (response.body["run_id"], "books", NOW)
    assert first.politeness.delay_seconds == 0.5
    assert first.recipe.fields["title"].css == "h1"
    assert publisher.published[0].attributes == {
        "job_id": first.job_id,
        "run_id": first.run_id,
        "crawl": "books",
        "host": "shop.example",
        "version": "1",
        "traceparent": TRACEPARENT,
    }


def test_jobs_have_ordering_keys_only_if_the_crawl_limits_a_host(publisher: RecordingPublisher) -> None:
    """A job's key is `host#n` if the crawl sets `per_host` or `delay_seconds`, and otherwise empty."""
    pages = [f"https://shop.example/{n}" for n in range(20)]

    def keys(**politeness: object) -> list[str]:
        publisher.published.clear()
        dispatch(publisher, crawl(*pages, "https://other.example/", politeness=politeness))
        return [message.ordering_key for message in publisher.published]

    assert set(keys()) == {""}
    assert set(keys(delay_seconds=1)) == {"shop.example#0", "other.example#0"}
    limited = keys(per_host=2, delay_seconds=1)
    assert set(limited[:20]) == {"shop.example#0", "shop.example#1"}
    assert limited[20].startswith("other.example#")


def test_equivalent_urls_are_one_job(publisher: RecordingPublisher) -> None:
    """The first of several equivalent URLs becomes a job, and the others are counted as duplicates."""
    response = dispatch(
        publisher,
        crawl(
            "https://shop.example/?b=2&a=1",
            "HTTPS://SHOP.example:443/?a=1&b=2",
            "https://shop.example/?b=2&a=1#reviews",
            "https://shop.example/?a=1",
        ),
    )
    assert (response.body["published"], response.body["duplicates"]) == (2, 2)
    assert [job.url for job in jobs(publisher)] == [
        "https://shop.example/?b=2&a=1",
        "https://shop.example/?a=1",
    ]


def test_the_same_scheduled_time_makes_the_same_jobs(publisher: RecordingPublisher) -> None:
    """Two dispatches with the same scheduled time make the same run id and job ids, whatever the clock is."""
    later = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
    first = dispatch(publisher, schedule_time="2026-11-22T06:00:00Z")
    repeated = dispatch(publisher, schedule_time="2026-11-22T06:00:00Z", now=later)
    assert first.body["run_id"] == repeated.body["run_id"] == "books-2026-11-22T06:00:00Z"
    ids = [job.job_id for job in jobs(publisher)]
    assert ids[:2] == ids[2:]


@pytest.mark.parametrize(
    ("schedule_time", "run_id"),
    [
        ("2026-11-22T06:00:00Z", "books-2026-11-22T06:00:00Z"),
        ("2026-11-22T06:00:00.123456Z", "books-2026-11-22T06:00:00Z"),
        ("2026-11-22T01:00:00-05:00", "books-2026-11-22T06:00:00Z"),
        ("2026-11-22T11:30:00+05:30", "books-2026-11-22T06:00:00Z"),
    ],
)
def test_the_scheduled_time_names_the_run_in_utc(
    publisher: RecordingPublisher, schedule_time: str, run_id: str
) -> None:
    """The run id has the scheduled time in UTC, even if the header has another time zone."""
    assert dispatch(publisher, schedule_time=schedule_time).body["run_id"] == run_id


@pytest.mark.parametrize(
    "schedule_time",
    [
        "soon",
        "2026-11-22",
        "2026-11-22T06:00:00",
        "06:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "x" * 500,
    ],
)
def test_an_invalid_scheduled_time_is_rejected_with_400(
    publisher: RecordingPublisher, schedule_time: str
) -> None:
    """A scheduled time that is malformed or has no time zone is rejected, and no job is published."""
    response = dispatch(publisher, schedule_time=schedule_time)
    assert response.status == 400
    assert "X-CloudScheduler-ScheduleTime" in str(response.body["error"])
    assert len(str(response.body["error"])) < 300
    assert publisher.published == []


def test_the_run_id_of_a_crawl_precedes_the_scheduled_time(publisher: RecordingPublisher) -> None:
    """If the crawl has a run_id, it is used instead of the scheduled time."""
    response = dispatch(publisher, crawl(run_id="books-7"), schedule_time="2026-11-22T06:00:00Z")
    assert response.body["run_id"] == "books-7"


def test_a_run_has_at_most_max_jobs(publisher: RecordingPublisher) -> None:
    """URLs beyond max_jobs are counted as over the limit, except duplicates of published jobs."""
    urls = [f"https://shop.example/{number}" for number in (1, 2, 3, 1, 4)]
    response = dispatch(publisher, crawl(*urls, limits={"max_jobs": 2}))
    assert (response.body["published"], response.body["over_limit"], response.body["duplicates"]) == (2, 2, 1)


def test_an_invalid_url_is_rejected_and_the_others_are_dispatched(publisher: RecordingPublisher) -> None:
    """Invalid URLs are listed with their reasons in the response, and valid ones become jobs."""
    response = dispatch(
        publisher, crawl("ftp://shop.example/", "https://shop.example/1", "http://", "x" * 3000)
    )
    assert (response.status, response.body["published"], response.body["rejected_count"]) == (200, 1, 3)
    rejected = response.body["rejected"]
    assert isinstance(rejected, list)
    assert rejected[0] == {
        "url": "ftp://shop.example/",
        "why": "the scheme must be http or https, not 'ftp'",
    }
    assert rejected[2]["url"] == "x" * 199 + "…"


def test_the_response_lists_at_most_1000_rejected_urls(publisher: RecordingPublisher) -> None:
    """The response lists the first 1,000 rejected URLs, and counts all of them."""
    response = dispatch(publisher, crawl(*["nonsense"] * (MAX_LISTED_REJECTED + 5)))
    assert isinstance(response.body["rejected"], list)
    assert len(response.body["rejected"]) == MAX_LISTED_REJECTED
    assert response.body["rejected_count"] == MAX_LISTED_REJECTED + 5


def test_a_job_over_the_maximum_size_is_rejected(publisher: RecordingPublisher) -> None:
    """If the recipe makes each job larger than the maximum, all URLs are rejected and no job is published."""
    field = {"css": "h1", "default": "x" * 65536}
    response = dispatch(publisher, crawl(recipe={"name": "book", "fields": {"title": field}}))
    assert (response.body["published"], response.body["rejected_count"]) == (0, 2)
    assert "the maximum is 65536" in str(response.body["rejected"])


def test_an_invalid_crawl_is_rejected_with_400_and_every_fault(publisher: RecordingPublisher) -> None:
    """The response to an invalid crawl lists the path of every fault, and no job is published."""
    response = dispatch(publisher, crawl(name="Books!", limits={"max_jobs": 0}, recpie={}))
    assert response.status == 400
    faults = response.body["faults"]
    assert isinstance(faults, list)
    assert {fault["path"] for fault in faults} == {"name", "limits.max_jobs", "recpie"}
    assert publisher.published == []


def test_unconfirmed_jobs_cause_503_and_a_repeat_makes_the_same_jobs(publisher: RecordingPublisher) -> None:
    """If jobs are not confirmed, the response has their number, the cause, and the run_id for a repeat."""
    # Given a topic that confirms only the first job
    publisher.error, publisher.error_from = PublishUnconfirmed("scrape-jobs", "gone"), 1
    urls = [f"https://shop.example/{number}" for number in range(3)]
    # When a crawl of three pages is dispatched
    response = dispatch(publisher, crawl(*urls))
    # Then the response has the number of unconfirmed jobs
    assert (response.status, response.body["published"], response.body["unconfirmed"]) == (503, 1, 2)
    assert response.body["error"] == (
        "2 of 3 jobs are not confirmed: topic scrape-jobs did not confirm: gone. "
        "Repeat the request with run_id books-2026-11-22T06:00:03Z to make the same jobs."
    )
    # When the request is repeated later with this run_id
    before = [job.job_id for job in jobs(publisher)]
    publisher.error = None
    later = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    repeated = dispatch(publisher, crawl(*urls, run_id=response.body["run_id"]), now=later)
    # Then all three jobs are published, and the first has the same id as before
    assert (repeated.status, repeated.body["published"]) == (200, 3)
    assert jobs(publisher)[1].job_id == before[0]


def sitemap(*urls: str | UnreadSitemap) -> ReadSitemap:
    """Return a function that yields these URLs and unread sitemaps for any sitemap."""
    return lambda *_, **_options: iter(urls)


def test_the_pages_of_a_sitemap_follow_the_urls_of_the_crawl(publisher: RecordingPublisher) -> None:
    """The crawl's own URLs and those of its sitemap become the jobs of one run, without duplicates."""
    sources = {"urls": ["https://shop.example/1"], "sitemap": "https://shop.example/sitemap.xml"}
    pages = sitemap("https://shop.example/2", "https://shop.example/1", "not a URL")
    response = dispatch(publisher, crawl(sources=sources), read_sitemap=pages)
    assert [job.url for job in jobs(publisher)] == ["https://shop.example/1", "https://shop.example/2"]
    assert (response.body["duplicates"], response.body["rejected_count"]) == (1, 1)


def test_unread_sitemaps_are_reported_and_the_other_pages_are_dispatched(
    publisher: RecordingPublisher,
) -> None:
    """If listed sitemaps cannot be read, the others' jobs are published, and the response names them."""
    dead = UnreadSitemap("https://shop.example/dead.xml", "the site answered 404")
    response = dispatch(
        publisher,
        crawl(sources={"sitemap": "https://shop.example/sitemap.xml"}),
        read_sitemap=sitemap("https://shop.example/1", dead, "https://shop.example/2"),
    )
    assert (response.status, response.body["published"], response.body["unread_sitemap_count"]) == (200, 2, 1)
    assert response.body["unread_sitemaps"] == [
        {"url": "https://shop.example/dead.xml", "why": "the site answered 404"}
    ]


@pytest.mark.parametrize(
    ("error", "status"), [(SitemapUnreadable("no sitemap"), 400), (SitemapUnavailable("down"), 503)]
)
def test_a_sitemap_that_fails_midway_is_reported_with_the_published_count(
    publisher: RecordingPublisher, error: Exception, status: int
) -> None:
    """If a sitemap fails after its first page, the status is 400, or 503 if a repeat may help, never 200."""

    def failing(*_: object, **_options: object) -> Iterator[str | UnreadSitemap]:
        yield "https://shop.example/1"
        raise error

    response = dispatch(
        publisher, crawl(sources={"sitemap": "https://shop.example/s.xml"}), read_sitemap=failing
    )
    assert (response.status, response.body["published"]) == (status, 1)
    assert str(response.body["error"]).startswith(f"sources.sitemap: {error}")
    assert response.body["run_id"] == "books-2026-11-22T06:00:03Z"


def test_sitemap_is_read_up_to_max_jobs(publisher: RecordingPublisher) -> None:
    """A sitemap is read until its first URL beyond max_jobs; duplicates do not count, and it is reported."""
    read = list[int]()

    def pages(*_: object, **_options: object) -> Iterator[str | UnreadSitemap]:
        for number in range(1, 1000):
            read.append(number)
            yield f"https://shop.example/{number // 2}"

    sources = {"urls": ["https://shop.example/x"], "sitemap": "https://shop.example/s.xml"}
    response = dispatch(publisher, crawl(sources=sources, limits={"max_jobs": 10}), read_sitemap=pages)
    assert (response.status, response.body["published"]) == (200, 10)
    assert (response.body["over_limit"], response.body["duplicates"]) == (1, 8)
    assert read == list(range(1, 19))
    assert response.body["unread_sitemaps"] == [
        {
            "url": "https://shop.example/s.xml",
            "why": "the rest was not read, because the run has 10 jobs, its maximum (limits.max_jobs)",
        }
    ]


def test_sitemap_with_exactly_max_jobs_pages_is_read_completely(publisher: RecordingPublisher) -> None:
    """If a sitemap lists as many pages as the crawl may have, nothing is reported as unread."""
    response = dispatch(
        publisher,
        crawl(sources={"sitemap": "https://shop.example/s.xml"}, limits={"max_jobs": 2}),
        read_sitemap=sitemap("https://shop.example/1", "https://shop.example/2", "https://shop.example/1"),
    )
    assert (response.body["published"], response.body["unread_sitemap_count"]) == (2, 0)


def test_sitemap_is_not_requested_if_the_urls_exceed_max_jobs(publisher: RecordingPublisher) -> None:
    """If the crawl's own URLs are more than max_jobs, the sitemap is reported as unread without a request."""
    requested = list[str]()

    def pages(url: str, *_: object, **_options: object) -> Iterator[str | UnreadSitemap]:
        requested.append(url)
        yield "https://shop.example/3"

    sources = {"urls": CRAWL["sources"]["urls"], "sitemap": "https://shop.example/s.xml"}
    response = dispatch(publisher, crawl(sources=sources, limits={"max_jobs": 1}), read_sitemap=pages)
    assert (response.body["unread_sitemap_count"], requested) == (1, [])


def test_sitemap_is_read_with_the_options_of_the_crawl(publisher: RecordingPublisher) -> None:
    """The crawl's delay, and whether it reads foreign sitemaps and respects robots.txt, are passed on."""
    options = dict[str, object]()

    def pages(*_: object, **given: object) -> Iterator[str | UnreadSitemap]:
        options.update(given)
        return iter(["https://shop.example/1"])

    sources = {"sitemap": "https://shop.example/s.xml", "foreign_sitemaps": True}
    dispatch(publisher, crawl(sources=sources), read_sitemap=pages)
    assert options == {"delay_seconds": 0.5, "reads_foreign": True, "respects_robots": True}
