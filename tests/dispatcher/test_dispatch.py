"""A dispatch publishes the jobs of a crawl, waits for their confirmations, and responds with counts."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.crawl import Crawl
from contract.dispatch_report import dispatch_id
from contract.job import Job
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.plan import MAX_LISTED_REJECTED, Counts
from dispatcher.request_limit import RequestLimit
from dispatcher.sources.source import (
    Found,
    FoundUrl,
    OutdatedPart,
    Source,
    SourceUnavailable,
    SourceUnreadable,
    UnreadPart,
)
from dispatcher.sources.url_list import UrlList
from extraction.selectors import CHECKS
from publishing.publisher import PublishUnconfirmed
from tests.dispatcher.static_source import StaticSource, source_of
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


def dispatch(
    publisher: RecordingPublisher,
    body: bytes = crawl(),
    *sources: Source,
    schedule_time: str = "",
    now: datetime = NOW,
) -> DispatchResponse:
    """Dispatch a crawl with its own URLs and these sources; return the response."""

    def open_sources(crawl: Crawl, _: datetime | None, __: RequestLimit) -> list[Source]:
        return [UrlList(crawl.sources.urls), *sources] if crawl.sources.urls else [*sources]

    dispatcher = Dispatcher(publisher, open_sources, lambda: now)
    return dispatcher.dispatch(body, schedule_time=schedule_time, traceparent=TRACEPARENT)


def counts(**numbers: int) -> dict[str, int]:
    """Return the counts of a source; those that are not given are 0."""
    return asdict(Counts(**numbers))


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
            "found": 2,
            "published": 2,
            "duplicates": 0,
            "rejected": [],
            "rejected_count": 0,
            "filtered": 0,
            "outdated": 0,
            "outdated_sitemaps": 0,
            "unread": [],
            "unread_count": 0,
            "over_limit": 0,
            "sources": [{"source": "sources.urls", **counts(found=2, published=2)}],
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
        "request_id": f"{dispatch_id(Crawl.decode(crawl(run_id=first.run_id), CHECKS))}-1",
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


SITEMAP = {"sitemap": "https://shop.example/s.xml"}


def test_the_pages_of_further_sources_follow_the_urls_of_the_crawl(publisher: RecordingPublisher) -> None:
    """All sources become the jobs of one run without duplicates, and each source has its own counts."""
    sources = {"urls": ["https://shop.example/1"], **SITEMAP}
    pages = source_of("https://shop.example/2", "https://shop.example/1", "not a URL")
    response = dispatch(publisher, crawl(sources=sources), pages)
    assert [job.url for job in jobs(publisher)] == ["https://shop.example/1", "https://shop.example/2"]
    assert (response.body["duplicates"], response.body["rejected_count"]) == (1, 1)
    assert response.body["sources"] == [
        {"source": "sources.urls", **counts(found=1, published=1)},
        {"source": "sources.sitemap", **counts(found=3, published=1, duplicates=1, rejected=1)},
    ]


def test_unread_parts_are_reported_and_the_other_pages_are_dispatched(publisher: RecordingPublisher) -> None:
    """If listed sitemaps cannot be read, the others' jobs are published, and the response names them."""
    dead = UnreadPart("https://shop.example/dead.xml", "the site answered 404")
    pages = source_of("https://shop.example/1", dead, "https://shop.example/2")
    response = dispatch(publisher, crawl(sources=SITEMAP), pages)
    assert (response.status, response.body["published"], response.body["unread_count"]) == (200, 2, 1)
    assert response.body["unread"] == [
        {"url": "https://shop.example/dead.xml", "why": "the site answered 404"}
    ]


def failing(error: Exception, *urls: str, name: str = "sources.sitemap") -> StaticSource:
    """Return a source that yields these URLs and then fails."""

    def found() -> Iterator[Found]:
        yield from map(FoundUrl, urls)
        raise error

    return StaticSource(name, found)


def test_source_that_is_not_available_causes_503_and_the_others_are_dispatched(
    publisher: RecordingPublisher,
) -> None:
    """If a source fails and a repeat may help, the others' jobs are published, and the status is 503."""
    body = crawl(sources=SITEMAP)
    down = failing(SourceUnavailable("https://shop.example/s.xml: down"), "https://shop.example/1")
    other = source_of("https://shop.example/2", name="sources.site")
    response = dispatch(publisher, body, down, other)
    assert (response.status, response.body["published"]) == (503, 2)
    assert response.body["error"] == (
        "sources.sitemap: https://shop.example/s.xml: down. "
        "Repeat the request with run_id books-2026-11-22T06:00:03Z to make the same jobs."
    )
    assert response.body["run_id"] == "books-2026-11-22T06:00:03Z"
    # When the request is repeated with the run_id, and the source is available
    before = {job.job_id for job in jobs(publisher)}
    publisher.published.clear()
    urls = source_of("https://shop.example/1", "https://shop.example/3")
    again = crawl(sources=SITEMAP, run_id=response.body["run_id"])
    assert dispatch(publisher, again, urls, other).status == 200
    # Then the jobs of the first request are made again, with the same ids
    assert before < {job.job_id for job in jobs(publisher)}


def test_source_that_cannot_be_read_is_reported_if_others_give_urls(publisher: RecordingPublisher) -> None:
    """If a source cannot be read, and another one gives URLs, the status is 200, and it is reported."""
    gone = failing(SourceUnreadable("the site answered 404"))
    other = source_of("https://shop.example/2", name="sources.site")
    response = dispatch(publisher, crawl(sources=SITEMAP), gone, other)
    assert (response.status, response.body["published"]) == (200, 1)
    assert response.body["unread"] == [{"url": gone.address, "why": "the site answered 404"}]
    assert response.body["sources"] == [
        {"source": "sources.sitemap", **counts(unread=1)},
        {"source": "sources.site", **counts(found=1, published=1)},
    ]


def test_sources_of_which_none_can_be_read_are_rejected_with_400(publisher: RecordingPublisher) -> None:
    """If no source gives a URL, the status is 400 with a fault for each source that cannot be read."""
    gone = failing(SourceUnreadable("the site answered 404"))
    html = failing(SourceUnreadable("not a sitemap"), name="sources.site")
    response = dispatch(publisher, crawl(sources=SITEMAP), gone, html, source_of(name="sources.sitemaps.0"))
    assert response.status == 400
    assert response.body["error"] == "sources.sitemap: the site answered 404; sources.site: not a sitemap"
    assert response.body["faults"] == [
        {"path": "sources.sitemap", "why": "the site answered 404"},
        {"path": "sources.site", "why": "not a sitemap"},
    ]


def test_source_is_read_up_to_max_jobs(publisher: RecordingPublisher) -> None:
    """A source is read until its first URL beyond max_jobs; duplicates do not count, and it is reported."""
    read = list[int]()

    def pages() -> Iterator[Found]:
        for number in range(1, 1000):
            read.append(number)
            yield FoundUrl(f"https://shop.example/{number // 2}")

    body = crawl(sources={"urls": ["https://shop.example/x"], **SITEMAP}, limits={"max_jobs": 10})
    response = dispatch(publisher, body, StaticSource("sources.sitemap", pages))
    assert (response.status, response.body["published"]) == (200, 10)
    assert (response.body["over_limit"], response.body["duplicates"]) == (1, 8)
    assert read == list(range(1, 19))
    assert response.body["unread"] == [
        {
            "url": "https://shop.example/s.xml",
            "why": "the rest was not read, because the run has 10 jobs, its maximum (limits.max_jobs)",
        }
    ]


def test_source_with_exactly_max_jobs_pages_is_read_completely(publisher: RecordingPublisher) -> None:
    """If a source has as many pages as the crawl may have, nothing is reported as unread."""
    pages = source_of("https://shop.example/1", "https://shop.example/2", "https://shop.example/1")
    response = dispatch(publisher, crawl(sources=SITEMAP, limits={"max_jobs": 2}), pages)
    assert (response.body["published"], response.body["unread_count"]) == (2, 0)


def test_source_is_not_read_if_the_urls_exceed_max_jobs(publisher: RecordingPublisher) -> None:
    """If the crawl's own URLs are more than max_jobs, the next source is reported, and not read."""

    def pages() -> Iterator[Found]:
        raise AssertionError("the source is read")

    body = crawl(sources={"urls": CRAWL["sources"]["urls"], **SITEMAP}, limits={"max_jobs": 1})
    response = dispatch(publisher, body, StaticSource("sources.sitemap", pages))
    assert response.body["unread_count"] == 1


def test_include_and_exclude_filter_all_sources(publisher: RecordingPublisher) -> None:
    """Only URLs that a pattern includes, and none excludes, become jobs; the others are counted."""
    urls = ["https://shop.example/books/1", "HTTPS://shop.example/books/2", "https://shop.example/cart"]
    filters = {"include": ["https://shop.example/books/*"], "exclude": ["*/1"]}
    response = dispatch(publisher, crawl(sources={"urls": urls, **filters}))
    assert [job.url for job in jobs(publisher)] == ["https://shop.example/books/2"]
    assert (response.body["filtered"], response.body["found"]) == (2, 3)


def test_since_leaves_out_what_was_last_changed_before(publisher: RecordingPublisher) -> None:
    """Entries and sitemaps from before `since` are counted; an entry without a readable time is kept."""
    pages = source_of(
        FoundUrl("https://shop.example/old", "2026-11-14"),
        FoundUrl("https://shop.example/new", "2026-11-15"),
        FoundUrl("https://shop.example/none"),
        FoundUrl("https://shop.example/unreadable", "yesterday"),
        OutdatedPart("https://shop.example/2025.xml"),
    )
    body = crawl(sources={**SITEMAP, "since": "7d"})
    response = dispatch(publisher, body, pages, schedule_time="2026-11-22T00:00:00Z")
    assert [job.url.rpartition("/")[2] for job in jobs(publisher)] == ["new", "none", "unreadable"]
    assert (response.body["outdated"], response.body["outdated_sitemaps"]) == (1, 1)


def test_rejected_url_of_a_file_has_its_line(publisher: RecordingPublisher) -> None:
    """If a source knows the line of an invalid URL, the reason begins with it."""
    response = dispatch(publisher, crawl(sources=SITEMAP), source_of(FoundUrl("shop", place="line 7")))
    why = "line 7: the scheme must be http or https; it is missing"
    assert response.body["rejected"] == [{"url": "shop", "why": why}]


def test_path_as_file_of_urls_is_rejected_with_400(publisher: RecordingPublisher) -> None:
    """A dispatcher reads no file of its own machine; the fault says what it reads."""
    response = dispatch(publisher, crawl(sources={"urls_file": {"url": "/etc/passwd"}}))
    assert response.status == 400
    assert response.body["faults"] == [
        {
            "path": "sources.urls_file.url",
            "why": "only `scrapeq dispatch` reads a path; give an http or https URL, or gs://bucket/object "
            "(got '/etc/passwd')",
        }
    ]


def test_time_limit_that_has_passed_is_rejected_with_400(publisher: RecordingPublisher) -> None:
    """No job is published whose page would not be requested; a later limit is in each job."""
    response = dispatch(publisher, crawl(limits={"until": NOW.isoformat()}))
    assert (response.status, jobs(publisher)) == (400, [])
    why = f"this time has passed (got {NOW.isoformat()})"
    assert response.body["faults"] == [{"path": "limits.until", "why": why}]
    later = NOW + timedelta(seconds=1)
    response = dispatch(publisher, crawl(limits={"until": later.isoformat()}))
    assert response.status == 200
    assert {job.until for job in jobs(publisher)} == {later}
