"""Forwards the calls of Pub/Sub clients, and lets publishes of outcomes fail, take long or happen twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc
from google.pubsub_v1.types import PublishRequest

from contract.topology import JOBS_TOPIC, OUTCOMES_TOPIC

THREADS = 64  #: calls that are forwarded at the same time
CALL_SECONDS = 60.0  #: longest time of a forwarded call
PUBLISH = "/google.pubsub.v1.Publisher/Publish"


@dataclass
class PublishFaults:
    """What happens to publishes to the outcomes topic.

    Attributes:
        refuse: share of them that are refused before they are stored.
        unconfirmed: share of them that are stored, but answered with an error.
        twice: share of them that are stored twice, and confirmed once.
        slow: share of them that take up to `slow_seconds` longer.
        slow_seconds: longest additional time.
        hold_jobs: whether the next publish to the jobs topic is stored, and not confirmed while its client
            lives.
        counts: fault → how often it was injected.
    """

    refuse: float = 0.0
    unconfirmed: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 8.0
    hold_jobs: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Let no further publish fail."""
        self.refuse = self.unconfirmed = self.twice = self.slow = 0.0


class _Forwarding(grpc.GenericRpcHandler):
    """Forwards unary calls as they are, as bytes."""

    def __init__(self, channel: grpc.Channel, faults: PublishFaults, seed: int) -> None:
        self._channel = channel
        self._faults = faults
        self._chance = Random(seed)
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the pauses."""
        self._stopping.set()

    def service(self, details: Any) -> "grpc.RpcMethodHandler[bytes, bytes]":  # noqa: ANN401 - grpc has no types
        method: str = details.method

        def call(request: bytes, context: Any) -> bytes:  # noqa: ANN401 - grpc has no types
            topic = PublishRequest.deserialize(request).topic if method == PUBLISH else ""
            if topic.endswith(f"/{OUTCOMES_TOPIC}"):
                return self._publish(request, context)
            if topic.endswith(f"/{JOBS_TOPIC}") and self._faults.hold_jobs:
                self._hold(request, context)
            return self._forward(method, request, context)

        return grpc.unary_unary_rpc_method_handler(call)

    def _hold(self, request: bytes, context: Any) -> None:  # noqa: ANN401 - grpc has no types
        self._faults.hold_jobs = False
        self._forward(PUBLISH, request, context)
        self._faults.counts["held"] += 1
        while context.is_active() and not self._stopping.wait(0.1):
            continue

    def _happens(self, fault: str) -> bool:
        with self._lock:
            happens = self._chance.random() < float(getattr(self._faults, fault))
            self._faults.counts[fault] += happens
        return happens

    def _publish(self, request: bytes, context: Any) -> bytes:  # noqa: ANN401 - grpc has no types
        if self._happens("refuse"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "refused on purpose")
        if self._happens("slow"):
            self._stopping.wait(self._chance.random() * self._faults.slow_seconds)
        response = self._forward(PUBLISH, request, context)
        if self._happens("twice"):
            response = self._forward(PUBLISH, request, context)
        if self._happens("unconfirmed"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "stored, but not confirmed on purpose")
        return response

    def _forward(self, method: str, request: bytes, context: Any) -> bytes:  # noqa: ANN401 - grpc has no types
        forward: Callable[..., bytes] = self._channel.unary_unary(method)
        try:
            return forward(request, timeout=CALL_SECONDS, metadata=_routing(context))
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
            raise AssertionError("abort raises") from error


def _routing(context: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - grpc has no types
    return [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-goog-")]


@contextmanager
def running_publish_proxy(target: str, faults: PublishFaults, seed: int) -> Iterator[str]:
    """Forward calls to the Pub/Sub at `target` until the block ends; yield the proxy's `host:port`."""
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target, options=options) as channel, ThreadPoolExecutor(THREADS) as threads:
        handler = _Forwarding(channel, faults, seed)
        server = grpc.server(threads, handlers=[handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            handler.stop()
            server.stop(grace=None).wait()
