"""Dispatches: which jobs a crawl becomes, when they count as dispatched, and what the caller is told."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.job import Job
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.plan import MAX_LISTED_REJECTED
from dispatcher.sitemap import SitemapUnreadable
from dispatcher.sitemap_reader import SitemapUnavailable
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
    """Return a crawl of these URLs, but for what is given."""
    sources = {"sources": {"urls": urls}} if urls else {}
    return json.dumps(CRAWL | sources | changed).encode()


SitemapUrls = Callable[[str], Iterator[str]]


def no_sitemap(url: str) -> Iterator[str]:
    """Hold no sitemap."""
    raise AssertionError(f"nobody asked for {url}")


def dispatched(
    publisher: RecordingPublisher,
    body: bytes = crawl(),
    *,
    schedule_time: str = "",
    sitemap_urls: SitemapUrls = no_sitemap,
    now: datetime = NOW,
    ordered: bool = False,
) -> DispatchResponse:
    """Dispatch a crawl; return the answer."""
    dispatcher = Dispatcher(publisher, sitemap_urls, lambda: now, ordered=ordered)
    return dispatcher.dispatch(body, schedule_time=schedule_time, traceparent=TRACEPARENT)


def jobs(publisher: RecordingPublisher) -> list[Job]:
    """Return the jobs on the topic."""
    return [Job.decode(message.data) for message in publisher.published]


def test_a_crawl_becomes_a_job_for_each_page(publisher: RecordingPublisher) -> None:
    """In the order of its URLs, each complete in itself, and known by its attributes."""
    answer = dispatched(publisher)
    assert answer == DispatchResponse(
        200,
        {
            "run_id": "books-2026-11-22T06:00:03Z",
            "published": 2,
            "duplicates": 0,
            "rejected": [],
            "rejected_count": 0,
            "over_limit": 0,
        },
    )
    first, second = jobs(publisher)
    assert [first.url, second.url] == CRAWL["sources"]["urls"]
    assert (first.run_id, first.crawl, first.dispatched_at) == (answer.body["run_id"], "books", NOW)
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


def test_jobs_have_ordering_keys_only_where_politeness_is_ordered(publisher: RecordingPublisher) -> None:
    """`host#n`, n below `per_host`; a subscription without ordering gets none."""
    pages = [f"https://shop.example/{n}" for n in range(20)]
    body = crawl(*pages, "https://other.example/", politeness={"per_host": 2})
    dispatched(publisher, body)
    assert {message.ordering_key for message in publisher.published} == {""}
    publisher.published.clear()
    dispatched(publisher, body, ordered=True)
    keys = [message.ordering_key for message in publisher.published]
    assert set(keys[:20]) == {"shop.example#0", "shop.example#1"}
    assert keys[20].startswith("other.example#")


def test_two_spellings_of_a_page_are_one_job(publisher: RecordingPublisher) -> None:
    """The first spelling is requested, the others are counted."""
    answer = dispatched(
        publisher,
        crawl(
            "https://shop.example/?b=2&a=1",
            "HTTPS://SHOP.example:443/?a=1&b=2",
            "https://shop.example/?b=2&a=1#reviews",
            "https://shop.example/?a=1",
        ),
    )
    assert (answer.body["published"], answer.body["duplicates"]) == (2, 2)
    assert [job.url for job in jobs(publisher)] == [
        "https://shop.example/?b=2&a=1",
        "https://shop.example/?a=1",
    ]


def test_the_same_trigger_makes_the_same_jobs(publisher: RecordingPublisher) -> None:
    """Cloud Scheduler may fire twice, and repeats what failed: the ids do not change with the clock."""
    later = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
    first = dispatched(publisher, schedule_time="2026-11-22T06:00:00Z")
    again = dispatched(publisher, schedule_time="2026-11-22T06:00:00Z", now=later)
    assert first.body["run_id"] == again.body["run_id"] == "books-2026-11-22T06:00:00Z"
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
def test_a_scheduled_time_names_the_run(
    publisher: RecordingPublisher, schedule_time: str, run_id: str
) -> None:
    """In UTC, whatever zone the schedule is written in."""
    assert dispatched(publisher, schedule_time=schedule_time).body["run_id"] == run_id


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
def test_a_scheduled_time_that_is_none_is_refused(publisher: RecordingPublisher, schedule_time: str) -> None:
    """A run by another name would be another run: also where only the zone is missing."""
    answer = dispatched(publisher, schedule_time=schedule_time)
    assert answer.status == 400
    assert "X-CloudScheduler-ScheduleTime" in str(answer.body["error"])
    assert len(str(answer.body["error"])) < 300
    assert publisher.published == []


def test_a_callers_run_id_comes_first(publisher: RecordingPublisher) -> None:
    """Whoever may have to repeat a request names its run, and a header changes nothing."""
    answer = dispatched(publisher, crawl(run_id="books-7"), schedule_time="2026-11-22T06:00:00Z")
    assert answer.body["run_id"] == "books-7"


def test_a_run_goes_no_further_than_its_limit(publisher: RecordingPublisher) -> None:
    """URLs past it are counted; a duplicate of a job that is there is none of them."""
    urls = [f"https://shop.example/{number}" for number in (1, 2, 3, 1, 4)]
    answer = dispatched(publisher, crawl(*urls, limits={"max_jobs": 2}))
    assert (answer.body["published"], answer.body["over_limit"], answer.body["duplicates"]) == (2, 2, 1)


def test_a_url_that_is_none_rejects_no_other(publisher: RecordingPublisher) -> None:
    """Each rejected URL is told with its reason; the others are dispatched."""
    answer = dispatched(
        publisher, crawl("ftp://shop.example/", "https://shop.example/1", "http://", "x" * 3000)
    )
    assert (answer.status, answer.body["published"], answer.body["rejected_count"]) == (200, 1, 3)
    rejected = answer.body["rejected"]
    assert isinstance(rejected, list)
    assert rejected[0] == {
        "url": "ftp://shop.example/",
        "why": "the scheme must be http or https, not 'ftp'",
    }
    assert rejected[2]["url"] == "x" * 200 + "…"


def test_rejected_urls_do_not_fill_the_answer(publisher: RecordingPublisher) -> None:
    """The first thousand are told, all are counted."""
    answer = dispatched(publisher, crawl(*["nonsense"] * (MAX_LISTED_REJECTED + 5)))
    assert isinstance(answer.body["rejected"], list)
    assert len(answer.body["rejected"]) == MAX_LISTED_REJECTED
    assert answer.body["rejected_count"] == MAX_LISTED_REJECTED + 5


def test_a_job_too_large_to_send_is_rejected(publisher: RecordingPublisher) -> None:
    """A recipe that no worker would read is told before anything is published."""
    field = {"css": "h1", "default": "x" * 65536}
    answer = dispatched(publisher, crawl(recipe={"name": "book", "fields": {"title": field}}))
    assert (answer.body["published"], answer.body["rejected_count"]) == (0, 2)
    assert "at most 65536 are sent" in str(answer.body["rejected"])


def test_a_crawl_that_cannot_be_read_is_told_with_every_fault(publisher: RecordingPublisher) -> None:
    """400, each fault with its path, and nothing published."""
    answer = dispatched(publisher, crawl(name="Books!", limits={"max_jobs": 0}, recpie={}))
    assert answer.status == 400
    faults = answer.body["faults"]
    assert isinstance(faults, list)
    assert {fault["path"] for fault in faults} == {"name", "limits.max_jobs", "recpie"}
    assert publisher.published == []


def test_jobs_that_are_not_confirmed_are_told(publisher: RecordingPublisher) -> None:
    """503 with how many, why, and the run_id by which a repeat makes the same jobs."""
    # Given a topic that confirms the first job and not the others
    publisher.error, publisher.error_from = PublishUnconfirmed("scrape-jobs", "gone"), 1
    urls = [f"https://shop.example/{number}" for number in range(3)]
    # When a crawl of three pages is dispatched
    answer = dispatched(publisher, crawl(*urls))
    # Then the caller knows what is missing
    assert (answer.status, answer.body["published"], answer.body["unconfirmed"]) == (503, 1, 2)
    assert answer.body["error"] == (
        "2 of 3 jobs are not confirmed: topic scrape-jobs did not confirm: gone. "
        "Repeat the request with run_id books-2026-11-22T06:00:03Z: it makes the same jobs."
    )
    # When it is repeated so, later
    before = [job.job_id for job in jobs(publisher)]
    publisher.error = None
    later = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    again = dispatched(publisher, crawl(*urls, run_id=answer.body["run_id"]), now=later)
    # Then all three are there, the first under its old id
    assert (again.status, again.body["published"]) == (200, 3)
    assert jobs(publisher)[1].job_id == before[0]


def sitemap(*urls: str) -> SitemapUrls:
    """Hold a sitemap of these pages."""
    return lambda _: iter(urls)


def test_a_sitemaps_pages_follow_the_crawls_own(publisher: RecordingPublisher) -> None:
    """Both sources make one run, with one limit and no page twice."""
    sources = {"urls": ["https://shop.example/1"], "sitemap": "https://shop.example/sitemap.xml"}
    pages = sitemap("https://shop.example/2", "https://shop.example/1", "not a URL")
    answer = dispatched(publisher, crawl(sources=sources), sitemap_urls=pages)
    assert [job.url for job in jobs(publisher)] == ["https://shop.example/1", "https://shop.example/2"]
    assert (answer.body["duplicates"], answer.body["rejected_count"]) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "status"), [(SitemapUnreadable("no sitemap"), 400), (SitemapUnavailable("down"), 503)]
)
def test_a_sitemap_that_fails_midway_is_told_with_what_is_published(
    publisher: RecordingPublisher, wrong: Exception, status: int
) -> None:
    """400 where a repeat will not help, 503 where it may; never a 200 for half a crawl."""

    def failing(_: str) -> Iterator[str]:
        yield "https://shop.example/1"
        raise wrong

    answer = dispatched(
        publisher, crawl(sources={"sitemap": "https://shop.example/s.xml"}), sitemap_urls=failing
    )
    assert (answer.status, answer.body["published"]) == (status, 1)
    assert str(answer.body["error"]).startswith(f"sources.sitemap: {wrong}")
    assert answer.body["run_id"] == "books-2026-11-22T06:00:03Z"
