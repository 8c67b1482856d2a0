"""No password of a URL in a crawl or a sitemap is in the dispatcher's response, which is also logged."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from contract.crawl import Crawl
from dispatcher.dispatch import Dispatcher
from dispatcher.request_limit import RequestLimit
from dispatcher.sources.source import Found, FoundUrl, Source, SourceUnreadable, UnreadPart
from dispatcher.sources.url_list import UrlList
from tests.contract.documents import CRAWL
from tests.dispatcher.static_source import StaticSource
from tests.servers.recording_publisher import RecordingPublisher

PASSWORDS = ["http://bob:secret@h.example/", "//bob:secret@h.example/", "http:\\\\bob:se\ncret@h.example/"]


@pytest.mark.parametrize("url", [*PASSWORDS, "http://" + "secret" * 300 + "@h.example/"])
def test_the_response_does_not_repeat_the_password_of_a_url(publisher: RecordingPublisher, url: str) -> None:
    """Refused URLs, and details that repeat URLs, are in the response without passwords."""

    def found() -> Iterator[Found]:
        yield FoundUrl(url)
        yield UnreadPart(url, f"redirected to {url}")
        raise SourceUnreadable(f"{url}: redirected to {url}")

    def open_sources(crawl: Crawl, _: datetime | None, __: RequestLimit) -> list[Source]:
        is_list = bool(crawl.sources.urls)
        return [UrlList(crawl.sources.urls) if is_list else StaticSource("sources.sitemap", found)]

    dispatcher = Dispatcher(publisher, open_sources, lambda: datetime(2026, 11, 22, tzinfo=UTC))

    def body(changed: dict[str, object], schedule_time: str = "") -> dict[str, object]:
        crawl = json.dumps(CRAWL | changed).encode()
        return dispatcher.dispatch(crawl, schedule_time=schedule_time, traceparent="").body

    refused = body({"sources": {"urls": [url]}})
    assert refused["rejected_count"] == 1
    invalid = [body({"sources": {"sitemap": url}}), body({url: 1}), body({"name": [url]}), body({}, url)]
    assert all("faults" in each for each in invalid)
    unread = body({"sources": {"sitemap": "http://h.example/"}})
    assert unread["unread_count"] == 1
    assert "cret" not in str([refused, invalid, unread])
