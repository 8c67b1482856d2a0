"""The pauses between pushes do not depend on the clock of the machine, which may be set back."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.clock import Clock
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from localpubsub.push.window import PushWindow
from publishing.publisher import Message
from relay.broker import Received
from relay.deliveries import Deliveries
from relay.delivery_policy import DeliveryPolicy
from relay.push_request import AnswerEndpoint
from tests.relay.worker_endpoint import WorkerEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS

POLICY = DeliveryPolicy("projects/p/subscriptions/s", MAX_WAIT_SECONDS, 100, RetryPolicy(0, 0))


class ImmediateBroker:
    """A broker that delivers a returned message again at once.

    Attributes:
        acknowledged: is set when a message is acknowledged.
        on_return: is called before a returned message is delivered again.
    """

    is_single_active = False

    def __init__(self, on_return: Callable[[], None]) -> None:
        self.acknowledged = asyncio.Event()
        self.on_return = on_return
        self.take: Callable[[Received], None]

    def acknowledge(self, _: Received) -> None:
        """See `relay.broker.Broker`."""
        self.acknowledged.set()

    async def return_later(self, received: Received, _: float) -> None:
        """See `relay.broker.Broker`."""
        self.on_return()
        self.take(replace(received, attempt=received.attempt + 1))

    async def release(self, _: Received) -> None:
        """See `relay.broker.Broker`."""

    async def dead_letter(self, _: Received, __: Mapping[str, str]) -> None:
        """See `relay.broker.Broker`."""

    def holds(self, _: Received) -> bool:
        """See `relay.broker.Broker`."""
        return True

    async def start(self, take: Callable[[Received], None]) -> None:
        """See `relay.broker.Broker`."""
        self.take = take

    async def stop_taking(self) -> None:
        """See `relay.broker.Broker`."""

    async def close(self) -> None:
        """See `relay.broker.Broker`."""


def test_a_clock_that_is_set_back_does_not_stop_the_pushes(
    endpoint: WorkerEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause after failures that began before the clock was set back lasts no longer for it."""
    endpoint.answer = lambda push: 503 if push.attempt == 1 else 204
    real = time.time

    async def run() -> None:
        broker = ImmediateBroker(lambda: monkeypatch.setattr(time, "time", lambda: real() - 3600))
        tokens = Tokens(None, Clock())
        deliveries = Deliveries(
            broker, AnswerEndpoint(endpoint.url, TlsContext()), tokens, PushWindow(1), POLICY
        )
        await broker.start(deliveries.take)
        deliveries.take(Received(Message(b"a", {}), "1", 0.0, 1, None))
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            await broker.acknowledged.wait()
        await deliveries.stop(0)

    asyncio.run(run())
    assert endpoint.attempts("a") == [1, 2]
