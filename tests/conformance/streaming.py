"""A StreamingPull whose requests a test sends one by one."""

from queue import SimpleQueue
from typing import Any, Self, cast

from google.pubsub_v1.types import (
    StreamingPullRequest,
    StreamingPullResponse,
)

from tests.servers.pubsub_client import PubsubClient


class Stream:
    """A StreamingPull on which the test says every word."""

    def __init__(self, pubsub: PubsubClient, **first: object) -> None:
        self._requests: SimpleQueue[StreamingPullRequest | None] = SimpleQueue()
        self.say(stream_ack_deadline_seconds=60, **first)
        requests = iter(self._requests.get, None)
        # The stubs know the answers, and not the call that they are.
        self._call = cast("Any", pubsub.subscriber.streaming_pull(requests, timeout=pubsub.timeout))

    def say(self, **fields: object) -> None:
        """Send a request."""
        self._requests.put(StreamingPullRequest(**fields))

    def hear(self) -> StreamingPullResponse:
        """The next answer."""
        answer: StreamingPullResponse = next(iter(self._call))
        return answer

    def messages(self, count: int) -> list[Any]:
        """``count`` messages; answers without messages are passed over."""
        found: list[Any] = []
        while len(found) < count:
            found += self.hear().received_messages
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._call.cancel()
