"""A dispatch that does not fit into one request is continued, and makes each job of the run once."""

import gzip
import json
from collections.abc import Iterator

import pytest

from contract.shard import MAX_SHARDS, FilePosition, Shard
from dispatcher.dispatch import Dispatcher
from dispatcher.shards import Shards
from dispatcher.sources.source import Found, FoundUrl
from extraction.selectors import CHECKS
from publishing.publisher import PublishUnconfirmed
from tests.dispatcher.sharded_run import CRAWL, NOW, ShardedRun
from tests.dispatcher.sitemaps.examples import index, urlset
from tests.dispatcher.static_source import StaticSource
from tests.servers.file_ranges import ranges
from tests.servers.recording_publisher import RecordingPublisher
from tests.servers.site import Response, Site, http

URLS = [f"https://shop.example/{number}" for number in range(950)]
TEXT = "\n".join(URLS).encode()
ROWS = "\n".join(["id,link", *(f'{number},"{url}"' for number, url in enumerate(URLS))]).encode()


@pytest.mark.parametrize(
    ("path", "response", "fields"),
    [
        ("/urls.txt", ranges(TEXT), {}),
        ("/urls.txt", http(200, TEXT), {}),
        ("/urls.txt.gz", http(200, gzip.compress(TEXT)), {}),
        ("/urls.txt", http(200, gzip.compress(TEXT), "Content-Encoding: gzip"), {}),
        ("/urls.csv", ranges(ROWS), {"field": "link"}),
        ("/urls.csv", ranges(ROWS.partition(b"\n")[2]), {"field": 2}),
    ],
    ids=["ranges", "no ranges", "gzipped", "coded", "header", "column"],
)
def test_file_is_dispatched_in_several_requests(
    site: Site, path: str, response: Response, fields: dict[str, object]
) -> None:
    """Each URL of a file becomes one job, however the server sends the file."""
    run = ShardedRun({"urls_file": {"url": site.add(path, response), **fields}})
    assert run.all() == URLS
    assert all(200 <= published < 300 for published in run.published[:-1])
    assert len(run.responses) > 3
    numbers = [int(message.attributes["shard"]) for message in run.shards]
    assert numbers == list(range(2, len(run.responses) + 1))


def test_plain_file_is_continued_at_a_byte(site: Site) -> None:
    """The part of a plain file that was dispatched is not requested again, apart from one piece of it."""
    urls = [f"https://shop.example/{number}/{'x' * 200}" for number in range(1900)]
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", ranges("\n".join(urls).encode()))}}, 1500)
    run.first()
    position = Shard.decode(run.shards[-1].data, CHECKS).position
    assert isinstance(position, FilePosition)
    assert position.offset > 100_000
    run.next()
    assert site.requests[-1].headers["range"] == f"bytes={position.offset}-"
    assert run.urls == urls


def test_file_that_changed_between_two_requests_is_reported(site: Site) -> None:
    """A position in another version of a file means nothing, so its rest is reported as unread."""
    file = site.add("/urls.txt", http(200, TEXT, 'ETag: "1"'))
    run = ShardedRun({"urls_file": {"url": file}})
    run.first()
    site.add("/urls.txt", http(200, TEXT, 'ETag: "2"'))
    [unread] = run.next()["unread"]
    assert "the file has changed" in unread["why"]
    assert run.responses[-1].status == 200
    assert len(run.urls) == 200


def test_file_that_is_cut_is_continued_after_the_part_that_was_read(site: Site) -> None:
    """If the connection ends early, the next request begins at the last checkpoint."""
    file = site.add("/urls.txt", lambda request: request.send(http(200, TEXT[:15_000], length=len(TEXT))))
    run = ShardedRun({"urls_file": {"url": file}}, max_urls=10_000)
    assert run.first()["continues"]
    assert 100 < len(run.urls) < len(URLS)
    site.add("/urls.txt", http(200, TEXT))
    assert "continues" not in run.next()
    assert sorted(set(run.urls)) == sorted(URLS)


def test_shard_whose_source_is_unavailable_makes_no_jobs_of_other_sources(site: Site) -> None:
    """The shard is repeated, so the jobs of the sources after it would be published again each time."""
    sitemap = site.add("/s.xml", http(200, urlset("https://shop.example/s")))
    file = site.add("/urls.txt", http(200, TEXT))
    run = ShardedRun({"urls_file": {"url": file}, "sitemap": sitemap})
    run.first()
    site.add("/urls.txt", http(503))
    assert "the site answered 503" in run.next()["error"]
    assert (run.responses[-1].status, len(run.urls)) == (503, 200)


def test_templates_and_sitemaps_are_continued(site: Site) -> None:
    """A template continues at its next URL, and an index of sitemaps at the next sitemap."""
    sitemaps = []
    for name in range(5):
        listed = [f"https://shop.example/{name}/{number}" for number in range(30)]
        sitemaps.append(site.add(f"/{name}.xml", http(200, urlset(*listed))))
    site.add("/robots.txt", http(200, f"Sitemap: {sitemaps[4]}\nSitemap: {sitemaps[3]}".encode()))
    sources: dict[str, object] = {
        "template": "https://shop.example/t{1..2500}",
        "sitemap": site.add("/index.xml", http(200, index(*sitemaps[:3]))),
        "sitemaps": [sitemaps[0], sitemaps[3]],
        "site": site.url("/"),
    }
    run = ShardedRun(sources, max_urls=20)
    urls = run.all()
    assert len(urls) == len(set(urls)) == 2500 + 5 * 30
    assert len(run.responses) >= 7
    assert [len(site.requests_for(f"/{name}.xml")) for name in range(5)] == [1] * 5


def test_sitemap_for_which_no_time_is_left_is_read_by_the_next_request(site: Site) -> None:
    """A request whose time for reading is spent within an index leaves the other sitemaps to the next one."""
    seconds = [0.0]

    def clock() -> float:
        seconds[0] += 1
        return seconds[0]

    sitemaps = [site.add(f"/{name}.xml", http(200, urlset(f"https://a.example/{name}"))) for name in range(9)]
    run = ShardedRun({"sitemap": site.add("/index.xml", http(200, index(*sitemaps)))}, 10_000, 60, clock)
    assert sorted(set(run.all())) == [f"https://a.example/{name}" for name in range(9)]
    assert len(run.responses) > 1
    assert [response.body["unread"] for response in run.responses if response.body["unread"]] == []


def test_max_jobs_counts_the_jobs_of_all_requests(site: Site) -> None:
    """A run has at most `limits.max_jobs` jobs, and its last response says that the rest was not read."""
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", http(200, TEXT))}}, limits={"max_jobs": 450})
    assert run.all() == URLS[:450]
    assert "limits.max_jobs" in run.unread[0]


def test_page_in_two_shards_gets_the_same_job_twice(site: Site) -> None:
    """Requests do not know the pages of the requests before, but the job of a page is the same."""
    body = "\n".join([*URLS[:250], *URLS[:50]]).encode()
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", http(200, body))}})
    run.all()
    ids = [message.attributes["job_id"] for message in run.jobs.published]
    assert (len(ids), len(set(ids))) == (300, 250)


def test_shard_that_is_delivered_twice_makes_the_same_jobs(site: Site) -> None:
    """A repeated shard publishes the same jobs, and the same message that continues."""
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", http(200, TEXT))}})
    run.first()
    shard = Shard.decode(run.shards[0].data, CHECKS)
    for _ in range(2):
        run.push(shard)
    jobs, shards = run.jobs.published[200:], run.shards[1:]
    assert jobs[:200] == jobs[200:]
    assert shards[0] == shards[1]


def test_dispatch_continues_only_after_all_its_jobs_are_confirmed(site: Site) -> None:
    """If a job, or the message that continues, is not confirmed, the response is 503."""
    file = site.add("/urls.txt", http(200, TEXT))
    for topic in ("jobs", "topic"):
        run = ShardedRun({"urls_file": {"url": file}})
        getattr(run, topic).error = PublishUnconfirmed(topic, "no response in time")
        assert "Repeat the request with run_id" in run.first()["error"]
        assert (run.responses[0].status, run.topic.published) == (503, [])


def test_number_of_requests_is_limited(site: Site) -> None:
    """The 1,000th request of a dispatch is its last: it reports that the rest was not read."""
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", http(200, TEXT))}})
    run.first()
    last = Shard.decode(run.shards[0].data, CHECKS).model_copy(update={"number": MAX_SHARDS})
    assert "continues" not in run.push(last)
    assert f"{MAX_SHARDS} requests" in run.unread[0]


def test_run_without_checkpoints_never_stops() -> None:
    """A request stops only where another can continue, so a source without checkpoints is read whole."""

    def found() -> Iterator[Found]:
        return map(FoundUrl, URLS)

    jobs = RecordingPublisher()
    shards = Shards(RecordingPublisher(), 1, 0.0)
    sources = [StaticSource("sources.sitemap", found)]
    dispatcher = Dispatcher(jobs, lambda *_: sources, lambda: NOW, shards)
    crawl = CRAWL | {"sources": {"sitemap": "https://shop.example/s.xml"}}
    response = dispatcher.dispatch(json.dumps(crawl).encode(), schedule_time="", traceparent="")
    assert (response.status, len(jobs.published)) == (200, len(URLS))
