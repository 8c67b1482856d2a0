"""A shard says where a dispatch continues, and is decoded as it was encoded."""

from datetime import UTC, datetime

import pytest

from contract.crawl import Crawl
from contract.dispatch_report import DispatchCounts, DispatchReport
from contract.faults import UnreadableShard
from contract.shard import (
    FilePosition,
    ListedSitemap,
    Position,
    Shard,
    SitemapPosition,
    SitePosition,
    TemplatePosition,
)
from extraction.selectors import CHECKS
from tests.contract.documents import CRAWL

POSITIONS: list[Position | None] = [
    None,
    FilePosition(line=1200, offset=64_000, offset_line=1100, validator='"v1"'),
    TemplatePosition(index=1000),
    SitemapPosition(
        sitemap="https://shop.example/s.xml",
        pending=(ListedSitemap(url="https://shop.example/2.xml", listed_by="https://shop.example/s.xml"),),
        listed=("https://shop.example/s.xml", "https://shop.example/2.xml"),
        count=2,
        site=SitePosition(robots_url="https://shop.example/robots.txt", named=("/b.xml",)),
    ),
]


def shard_at(position: Position | None) -> Shard:
    """Return a shard that continues at a position."""
    return Shard(
        crawl=Crawl.from_document(CRAWL | {"run_id": "run"}, CHECKS),
        number=2,
        source="sources.sitemap",
        position=position,
        started_at=datetime(2026, 11, 30, tzinfo=UTC),
        dispatch_id="0" * 32,
        report=DispatchReport(counts=DispatchCounts(published=7)),
    )


@pytest.mark.parametrize("position", POSITIONS)
def test_shard_is_decoded_as_it_was_encoded(position: Position | None) -> None:
    """Every kind of position, the crawl and its run id are the same after encoding and decoding."""
    shard = shard_at(position)
    assert Shard.decode(shard.encode(), CHECKS) == shard
    assert shard.crawl.run_id == "run"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b'"version":1', b'"version":2', "version"),
        (b'"number":2', b'"number":1001', "number"),
        (b'"run_id":"run",', b"", "crawl.run_id"),
        (b'"run_id":"run"', b'"run_id":"run\\u0000"', "crawl.run_id"),
        (b'"published":7', b'"published":-1', "report.counts.published"),
        (b'"kind":"template"', b'"kind":"other"', "position"),
    ],
)
def test_invalid_shard_is_rejected_with_the_path_of_its_fault(old: bytes, new: bytes, fault: str) -> None:
    """A shard of another version, or with an invalid field, is not continued."""
    data = shard_at(TemplatePosition(index=1)).encode()
    assert old in data
    with pytest.raises(UnreadableShard, match=fault):
        Shard.decode(data.replace(old, new), CHECKS)
