"""A Pub/Sub server that has only the method Publish, and responds to each request as a test says."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

import grpc
from google.pubsub_v1 import types

MAX_HANDLERS = 64  #: maximum number of requests at the same time


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the server has received.

    Attributes:
        number: number of the request, from 0.
        topic: the full name of its topic.
        messages: the data of its messages.
        ordering_keys: the ordering keys of its messages.
        metadata: its metadata.
        remaining_seconds: seconds until its client gives it up.
    """

    number: int
    topic: str
    messages: list[bytes]
    ordering_keys: set[str]
    metadata: dict[str, str]
    remaining_seconds: float


class Refusal(Exception):
    """Raised by a test's `respond` to refuse a request.

    Args:
        code: the status code.
        stores: whether the server stores the messages nevertheless, as if only its response was lost.
    """

    def __init__(self, code: grpc.StatusCode, *, stores: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.stores = stores


def confirm(_request: ReceivedRequest, _cancelled: Event) -> None:
    """Confirm a request."""


@dataclass
class PublishServer:
    """Records the requests, and the messages that it stored.

    Attributes:
        host: the gRPC address ``host:port``, for PUBSUB_EMULATOR_HOST.
        respond: called for each request, with an event that is set when its client gives it up; it may wait,
            or raise `Refusal`. If it returns, the request is confirmed.
        requests: the requests, in the order in which they arrived.
        confirmed: the data of each message of a confirmed request, by its id. Ids are numbers; those of a
            later request are greater.
        overlapping_keys: the ordering keys of which two requests were processed at the same time.
    """

    host: str = ""
    respond: Callable[[ReceivedRequest, Event], None] = confirm
    requests: list[ReceivedRequest] = field(default_factory=list)
    confirmed: dict[str, bytes] = field(default_factory=dict)
    overlapping_keys: set[str] = field(default_factory=set)
    _active_keys: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: Lock = field(default_factory=Lock)
    _last_id: int = 0

    def _publish(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - a protobuf class
        cancelled = Event()
        context.add_callback(cancelled.set)
        with self._lock:
            received = self._received(request, context)
            self.requests.append(received)
            for key in received.ordering_keys - {""}:
                self._active_keys[key] += 1
                if self._active_keys[key] > 1:
                    self.overlapping_keys.add(key)
        try:
            self.respond(received, cancelled)
        except Refusal as refusal:
            if refusal.stores:
                self._store(received, confirms=False)
            context.abort(refusal.code, "refused by the test")
        else:
            return types.PublishResponse.pb()(message_ids=self._store(received, confirms=True))
        finally:
            with self._lock:
                for key in received.ordering_keys - {""}:
                    self._active_keys[key] -= 1

    def _received(self, request: Any, context: grpc.ServicerContext) -> ReceivedRequest:  # noqa: ANN401 - protobuf
        return ReceivedRequest(
            number=len(self.requests),
            topic=request.topic,
            messages=[message.data for message in request.messages],
            ordering_keys={message.ordering_key for message in request.messages},
            metadata={key: str(value) for key, value in context.invocation_metadata()},
            remaining_seconds=context.time_remaining(),
        )

    def _store(self, request: ReceivedRequest, *, confirms: bool) -> list[str]:
        with self._lock:
            first = self._last_id + 1
            self._last_id += len(request.messages)
            ids = [str(number) for number in range(first, self._last_id + 1)]
            if confirms:
                self.confirmed |= zip(ids, request.messages, strict=True)
        return ids


@contextmanager
def running_publish_server() -> Iterator[PublishServer]:
    """Run a server that confirms every request, until a test changes `respond`."""
    recorder = PublishServer()
    handler = grpc.unary_unary_rpc_method_handler(
        recorder._publish,  # noqa: SLF001 - called by the server only
        request_deserializer=types.PublishRequest.pb().FromString,
        response_serializer=types.PublishResponse.pb().SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(MAX_HANDLERS), options=[("grpc.max_receive_message_length", -1)])
    methods = grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": handler})
    server.add_generic_rpc_handlers((methods,))
    recorder.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield recorder
    finally:
        server.stop(grace=None).wait()
