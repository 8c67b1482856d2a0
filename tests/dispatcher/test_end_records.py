"""A dispatch ends with a record of what became of its URLs, over all its requests."""

import json
from dataclasses import asdict
from typing import Any

from contract.dispatch_report import MAX_LISTED, DispatchCounts
from contract.shard import Shard
from dispatcher.dispatch import Dispatcher
from dispatcher.plan import Counts
from dispatcher.shards import MAX_WHY_CHARACTERS, Shards
from dispatcher.sources.source import FoundUrl, UnreadPart
from extraction.selectors import CHECKS
from publishing.publisher import PublishUnconfirmed
from tests.dispatcher.sharded_run import CRAWL, NOW, ShardedRun
from tests.dispatcher.sitemaps.examples import urlset
from tests.dispatcher.static_source import source_of
from tests.servers.file_ranges import ranges
from tests.servers.recording_publisher import RecordingPublisher
from tests.servers.site import Site, http

URLS = [f"https://shop.example/{number}" for number in range(950)]


def file_of(*urls: str) -> Any:  # noqa: ANN401 - a response of the site
    """Return the response with a file of URLs."""
    return ranges("\n".join(urls).encode())


def counted(counts: dict[str, int]) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {name: count for name, count in counts.items() if count}


def test_counts_of_a_message_are_those_of_a_plan() -> None:
    """The messages have the same counts as the plan."""
    assert DispatchCounts().model_dump() == asdict(Counts())


def test_dispatch_of_one_request_publishes_its_end_record(site: Site) -> None:
    """A small crawl has an end record, too, with its counts, and what was rejected and not read."""
    missing = site.add("/missing.xml", http(404))
    run = ShardedRun({"urls": ["https://shop.example/1", "nonsense"], "sitemap": missing}, run_id="run")
    body = run.first()
    [end] = run.ends
    assert run.shards == []
    assert (end["run_id"], end["crawl"], end["requests"]) == ("run", "books", 1)
    assert end["dispatch_id"] == body["dispatch_id"] != ""
    assert counted(end["report"]["counts"]) == {"found": 2, "published": 1, "rejected": 1, "unread": 1}
    assert end["report"]["rejected"] == body["rejected"] != []
    assert end["report"]["unread"] == body["unread"] != []
    assert end["report"]["sources"] == body["sources"]
    assert run.topic.published[0].attributes == {
        "run_id": "run",
        "crawl": "books",
        "dispatch_id": end["dispatch_id"],
        "dispatch": "complete",
        "requests": "1",
    }


def test_end_record_has_what_all_requests_found(site: Site) -> None:
    """The counts, the rejected URLs and the unread parts of each request are in the record of the last."""
    rejected = {100: "first fault", 400: "second fault", 949: "third fault"}
    lines = [rejected.get(number, url) for number, url in enumerate(URLS)]
    sources: dict[str, object] = {
        "urls_file": {"url": site.add("/urls.txt", file_of(*lines))},
        "sitemap": site.add("/s.xml", http(404)),
        "sitemaps": [site.add("/good.xml", http(200, urlset("https://shop.example/0")))],
    }
    run = ShardedRun(sources)
    run.all()
    [end] = run.ends
    report = end["report"]
    assert (end["requests"], len(run.shards)) == (len(run.responses), len(run.responses) - 1)
    assert counted(report["counts"]) == {
        "found": 951,
        "published": sum(run.published),
        "rejected": 3,
        "unread": 1,
    }
    assert [each["url"] for each in report["rejected"]] == list(rejected.values())
    assert "404" in report["unread"][0]["why"]
    sources_found = {each["source"]: each["found"] for each in report["sources"]}
    assert sources_found == {"sources.urls_file": 950, "sources.sitemap": 0, "sources.sitemaps.0": 1}
    ids = {message.attributes["dispatch_id"] for message in run.topic.published}
    assert ids == {end["dispatch_id"]}
    requests = [message.attributes["request_id"] for message in run.jobs.published]
    expected = [
        f"{end['dispatch_id']}-{number}"
        for number, count in enumerate(run.published, 1)
        for _ in range(count)
    ]
    assert requests == expected


def test_end_record_that_is_not_confirmed_is_published_by_the_repeated_request() -> None:
    """Without the confirmation the response is 503, and the repeated request makes the same record."""
    run = ShardedRun({"urls": URLS[:3]}, run_id="run")
    run.topic.error = PublishUnconfirmed("scrape-dispatch", "no response in time")
    assert "the end of the dispatch is not confirmed" in run.first()["error"]
    assert (run.responses[0].status, len(run.jobs.published)) == (503, 3)
    run.topic.error = None
    run.first()
    assert run.responses[-1].status == 200
    assert len(run.ends) == 1
    assert run.jobs.published[:3] == run.jobs.published[3:]


def test_shard_that_is_delivered_twice_ends_with_the_same_record(site: Site) -> None:
    """A dispatcher that was killed before it acknowledged the last shard makes the same end record again."""
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", file_of(*URLS))}})
    run.all()
    run.next()
    first, second = run.ends
    assert first == second
    assert first["report"]["counts"]["published"] == len(URLS)


def test_rest_that_is_not_read_is_in_the_end_record(site: Site) -> None:
    """If the dispatch has had too many requests, its end record says that the rest was not read."""
    run = ShardedRun({"urls_file": {"url": site.add("/urls.txt", file_of(*URLS))}})
    run.first()
    run.push(Shard.decode(run.shards[0].data, CHECKS).model_copy(update={"number": 1000}))
    [end] = run.ends
    assert (end["requests"], end["report"]["counts"]["unread"]) == (1000, 1)
    assert "1000 requests" in end["report"]["unread"][0]["why"]


def test_dispatch_id_is_that_of_the_crawl_and_its_run() -> None:
    """A repeated request is the same dispatch; another run, or other URLs of the run, are another one."""
    ids = [
        ShardedRun({"urls": urls}, run_id=run).first()["dispatch_id"]
        for urls, run in ((URLS[:2], "a"), (URLS[:2], "a"), (URLS[:2], "b"), (URLS[:3], "a"))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_crawl_of_which_no_source_can_be_read_leaves_no_record(site: Site) -> None:
    """A crawl that is refused with 400 was not dispatched."""
    run = ShardedRun({"sitemap": site.add("/s.xml", http(404))})
    run.first()
    assert (run.responses[0].status, run.topic.published) == (400, [])


def test_shard_whose_sources_are_all_unreadable_ends_the_dispatch(site: Site) -> None:
    """A shard is not refused with 400 if no request found a URL, because it would be delivered forever."""
    sitemaps: dict[str, object] = {
        "sitemap": site.add("/a.xml", http(200, urlset())),
        "sitemaps": [site.add("/b.xml", http(404))],
    }
    run = ShardedRun(sitemaps, max_urls=0)
    run.all()
    assert len(run.responses) == 2
    [end] = run.ends
    assert counted(end["report"]["counts"]) == {"unread": 1}


def test_lists_of_a_message_are_bounded_and_without_passwords() -> None:
    """A message has the first 100 of each list, with short texts, and no user or password of a URL."""
    url = "http://bob:secret@h.example/" + "\N{GRINNING FACE}" * 3000
    found = [each for _ in range(300) for each in (FoundUrl(url), UnreadPart(url, f"redirected to {url}"))]
    topic = RecordingPublisher()
    dispatcher = Dispatcher(
        RecordingPublisher(), lambda *_: [source_of(*found)], lambda: NOW, Shards(topic, 1000, 1e9)
    )
    crawl = CRAWL | {"sources": {"sitemap": "https://shop.example/s.xml"}}
    dispatcher.dispatch(json.dumps(crawl).encode(), schedule_time="", traceparent="")
    [message] = topic.published
    report = json.loads(message.data)["report"]
    assert (report["counts"]["rejected"], report["counts"]["unread"]) == (300, 300)
    assert len(report["rejected"]) == len(report["unread"]) == MAX_LISTED
    assert max(len(each["why"]) for each in report["unread"]) <= MAX_WHY_CHARACTERS
    assert len(message.data) < 1_000_000
    assert b"secret" not in message.data
