"""No password of a URL in a crawl or a sitemap is in the dispatcher's response, which is also logged."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dispatcher.dispatch import Dispatcher
from dispatcher.sitemap_entry import SitemapUnreadable, UnreadSitemap
from tests.contract.documents import CRAWL
from tests.servers.recording_publisher import RecordingPublisher

PASSWORDS = ["http://bob:secret@h.example/", "//bob:secret@h.example/", "http:\\\\bob:se\ncret@h.example/"]


@pytest.mark.parametrize("url", [*PASSWORDS, "http://" + "secret" * 300 + "@h.example/"])
def test_the_response_does_not_repeat_the_password_of_a_url(publisher: RecordingPublisher, url: str) -> None:
    """Refused URLs, and details that repeat URLs, are in the response without passwords."""

    def read_sitemap(*_: object, **_options: object) -> Iterator[str | UnreadSitemap]:
        yield url
        yield UnreadSitemap(url, f"redirected to {url}")
        raise SitemapUnreadable(f"{url}: redirected to {url}")

    dispatcher = Dispatcher(publisher, read_sitemap, lambda: datetime(2026, 11, 22, tzinfo=UTC))

    def body(changed: dict[str, object], schedule_time: str = "") -> dict[str, object]:
        crawl = json.dumps(CRAWL | changed).encode()
        return dispatcher.dispatch(crawl, schedule_time=schedule_time, traceparent="").body

    refused = body({"sources": {"urls": [url]}})
    assert refused["rejected_count"] == 1
    invalid = [body({"sources": {"sitemap": url}}), body({url: 1}), body({"name": [url]}), body({}, url)]
    assert all("faults" in each for each in invalid)
    unread = body({"sources": {"sitemap": "http://h.example/"}})
    assert unread["unread_sitemap_count"] == 1
    assert "cret" not in str([refused, invalid, unread])
