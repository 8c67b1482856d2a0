"""Defines a StreamingPull whose requests a test sends one by one."""

from queue import SimpleQueue
from typing import Any, Self, cast

from google.pubsub_v1.types import (
    StreamingPullRequest,
    StreamingPullResponse,
)

from tests.servers.pubsub_client import PubsubClient


class Stream:
    """A StreamingPull whose requests and responses the test controls."""

    def __init__(self, pubsub: PubsubClient, **first: object) -> None:
        self._requests: SimpleQueue[StreamingPullRequest | None] = SimpleQueue()
        self.send(stream_ack_deadline_seconds=60, **first)
        requests = iter(self._requests.get, None)
        # The type stubs declare an iterable of responses, not the call object, which has cancel().
        self._call = cast("Any", pubsub.subscriber.streaming_pull(requests, timeout=pubsub.timeout))

    def send(self, **fields: object) -> None:
        """Send a request."""
        self._requests.put(StreamingPullRequest(**fields))

    def receive(self) -> StreamingPullResponse:
        """Return the next response."""
        response: StreamingPullResponse = next(iter(self._call))
        return response

    def messages(self, count: int) -> list[Any]:
        """Return at least ``count`` messages; responses without messages are skipped."""
        found: list[Any] = []
        while len(found) < count:
            found += self.receive().received_messages
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._call.cancel()
