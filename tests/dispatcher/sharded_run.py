"""Dispatches a crawl in as many requests as it needs, and records what they publish."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from contract.job import Job
from contract.shard import Shard
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.shards import Shards
from extraction.selectors import CHECKS
from publishing.publisher import Message
from tests.dispatcher.sitemaps.examples import make_reader
from tests.servers.recording_publisher import RecordingPublisher

NOW = datetime(2026, 11, 30, 6, 0, 3, tzinfo=UTC)
CRAWL = {"name": "books", "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}}}


class ShardedRun:
    """Dispatches a crawl in as many requests as it needs.

    Args:
        sources: the sources of the crawl.
        max_urls: number of URLs after which a request stops.
        budget_seconds: seconds for reading in one request.
        clock: returns monotonic seconds.
        fields: further fields of the crawl.

    Attributes:
        responses: the response to each request.
        jobs: publishes to the jobs topic.
        topic: publishes the shards and the end records.
    """

    def __init__(
        self,
        sources: dict[str, object],
        max_urls: int = 200,
        budget_seconds: float = 120,
        clock: Callable[[], float] = lambda: 0.0,
        **fields: object,
    ) -> None:
        self.jobs, self.topic = RecordingPublisher(), RecordingPublisher()
        shards = Shards(self.topic, max_urls, 1e9, clock)
        opener = make_reader(budget_seconds, clock).opener
        self._dispatcher = Dispatcher(self.jobs, opener, lambda: NOW, shards)
        self._body = json.dumps(CRAWL | {"sources": sources} | fields).encode()
        self.responses: list[DispatchResponse] = []

    def first(self) -> dict[str, Any]:
        """Send the crawl; return the body of the response."""
        return self._added(self._dispatcher.dispatch(self._body, schedule_time="", traceparent=""))

    def next(self) -> dict[str, Any]:
        """Push the newest shard; return the body of the response."""
        return self.push(Shard.decode(self.shards[-1].data, CHECKS))

    def push(self, shard: Shard) -> dict[str, Any]:
        """Push a shard; return the body of the response."""
        return self._added(self._dispatcher.dispatch_shard(shard, traceparent=""))

    def all(self) -> list[str]:
        """Send the crawl, and push each shard until none is left; return the URLs of the jobs."""
        body = self.first()
        while body.get("continues"):
            body = self.next()
        assert {response.status for response in self.responses} == {200}
        return self.urls

    @property
    def shards(self) -> list[Message]:
        """The shards that were published, in order."""
        return [message for message in self.topic.published if "shard" in message.attributes]

    @property
    def ends(self) -> list[dict[str, Any]]:
        """The end records that were published, in order."""
        ends = [message for message in self.topic.published if "dispatch" in message.attributes]
        return [json.loads(message.data) for message in ends]

    @property
    def published(self) -> list[int]:
        """The number of jobs of each request."""
        return [int(str(response.body["published"])) for response in self.responses]

    @property
    def unread(self) -> list[str]:
        """Why parts of the sources were not read by the last request."""
        unread = self.responses[-1].body["unread"]
        assert isinstance(unread, list)
        return [each["why"] for each in unread]

    @property
    def urls(self) -> list[str]:
        """The URLs of the jobs, in order."""
        return [Job.decode(message.data).url for message in self.jobs.published]

    def _added(self, response: DispatchResponse) -> dict[str, Any]:
        self.responses.append(response)
        return response.body
