"""Tests that pushes end with their lease, and that only failures of the endpoint count as attempts."""

import asyncio
import errno
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, RetryPolicy

from localpubsub.clock import Clock
from localpubsub.push.capacity import PushCapacity
from localpubsub.push.connection import Connection, Endpoint
from localpubsub.push.delivery import PushContext, PushDelivery
from localpubsub.push.tls import TlsContext
from localpubsub.push.tokens import Tokens
from tests.localpubsub.push.pushing import Pushing, endpoint, pushing
from tests.servers.pubsub_client import connect
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until


class FullEndpoint(Endpoint):
    """An endpoint to which the first connection cannot be opened, because this machine lacks something."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(url, TlsContext())
        self.error: Exception | None = error

    async def connect(self) -> Connection:
        """Fail once."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return await super().connect()


async def attempts_after(error: Exception, to: PushEndpoint) -> list[int]:
    """Push a message when the first connection fails; return the delivery attempts that arrived."""
    full = FullEndpoint(to.url, error)
    async with pushing(to.url) as running:
        delivery = running.start(full)
        await running.publish(b"x")
        await asyncio.to_thread(to.wait_for, 1)
        await running.stop(delivery)
    assert full.error is None
    return [push.envelope["deliveryAttempt"] for push in to.pushes]


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (OSError(errno.EMFILE, "Too many open files"), 1),
        (OSError(errno.ENOBUFS, "No buffer space available"), 1),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), 1),
        (MemoryError(), 1),
        (ZeroDivisionError("a fault that nobody foresaw"), 1),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), 2),
    ],
    ids=repr,
)
def test_failure_of_this_machine_is_not_counted_as_an_attempt(error: Exception, attempt: int) -> None:
    """A push that this machine cannot send is sent later as the same attempt; a refused one is the next."""
    with running_endpoint() as to:
        assert asyncio.run(attempts_after(error, to)) == [attempt]


async def replaced_endpoint(to: PushEndpoint, reported: Callable[[], bool]) -> None:
    """Push to a host whose name cannot be encoded, until that is logged, and then to another endpoint."""
    async with pushing(to.url) as running:
        await running.publish(b"1", b"2", b"3")
        delivery = running.start(endpoint("http://a..b/"))
        await asyncio.to_thread(wait_until, reported)
        await running.stop(delivery)
        delivery = running.start(endpoint(to.url))
        await asyncio.to_thread(to.wait_for, 3)
        await running.stop(delivery)


def test_push_to_a_host_that_cannot_be_encoded_waits(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint such as http://a..b/ in an old file is logged once, and its messages wait."""
    with running_endpoint() as to:
        asyncio.run(replaced_endpoint(to, lambda: "cannot push" in caplog.text))
    assert [push.envelope["deliveryAttempt"] for push in to.pushes] == [1, 1, 1]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


async def closed_while_connecting(end: Callable[[Pushing, PushDelivery], None]) -> None:
    """Connect to an endpoint that accepts connections, but sends no TLS handshake; return once it is closed.

    ``end`` ends the push.
    """
    accepted, closed = asyncio.Event(), asyncio.Event()

    async def never_shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        while await reader.read(1000):
            pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(never_shake_hands, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with pushing(url, Clock()) as running, asyncio.timeout(MAX_WAIT_SECONDS):
        await running.publish(b"x")
        delivery = running.start(endpoint(url))
        await accepted.wait()
        end(running, delivery)
        await closed.wait()
        await running.stop(delivery)
    server.close()


def _nack(running: Pushing, _: PushDelivery) -> None:
    (lease,) = running.subscription.backlog.outstanding.values()
    running.broker.nack(running.subscription, lease)


@pytest.mark.parametrize(
    "end",
    [_nack, lambda _, delivery: delivery.stop(abort=True)],
    ids=["the lease ends", "the subscription is deleted"],
)
def test_tls_handshake_ends_with_the_push(end: Callable[[Pushing, PushDelivery], None]) -> None:
    """A push whose endpoint does not answer the TLS handshake ends with its lease or its subscription."""
    asyncio.run(closed_while_connecting(end))


class LateEndpoint(Endpoint):
    """An endpoint whose first connection is ready only after ``end_lease`` has ended the lease."""

    def __init__(self, url: str, end_lease: Callable[[], None]) -> None:
        super().__init__(url, TlsContext())
        self.end_lease: Callable[[], None] | None = end_lease

    async def connect(self) -> Connection:
        """Connect, and end the lease before the connection can be used."""
        connection = await super().connect()
        if self.end_lease is not None:
            self.end_lease()
            self.end_lease = None
        return connection


async def push_over_a_late_connection(to: PushEndpoint) -> None:
    """Push a message whose first lease ends while the connection is being opened."""
    async with pushing(to.url) as running:
        delivery = running.start(LateEndpoint(to.url, lambda: _nack(running, delivery)))
        await running.publish(b"x")
        await asyncio.to_thread(to.wait_for, 1)
        await running.stop(delivery)


def test_connection_that_is_made_after_the_deadline_is_not_used() -> None:
    """The attempt whose lease has ended is not sent; the next attempt is."""
    with running_endpoint() as to:
        asyncio.run(push_over_a_late_connection(to))
    assert [push.envelope["deliveryAttempt"] for push in to.pushes] == [2]


async def push_beside_hanging_pushes(hanging: PushEndpoint, working: PushEndpoint) -> None:
    """Push 50 messages each to an endpoint that never responds and to one that does, with eight places."""
    async with pushing(hanging.url) as first, pushing(working.url) as second:
        capacity = PushCapacity(8)
        deliveries = []
        for running, to in ((first, hanging), (second, working)):
            await running.publish(*[b"x"] * 50)
            context = PushContext(running.broker, Tokens(None, running.broker.clock), capacity)
            deliveries.append(running.start(endpoint(to.url), context))
        await asyncio.to_thread(working.wait_for, 50)
        assert len(hanging.pushes) <= 6
        await first.stop(deliveries[0])
        await second.stop(deliveries[1])


def test_hanging_pushes_leave_places_for_other_subscriptions() -> None:
    """If the pushes of one subscription hang in all places that it may take, another one still pushes."""
    with running_endpoint() as hanging, running_endpoint() as working:
        hanging.respond = lambda _: "silence"
        asyncio.run(push_beside_hanging_pushes(hanging, working))


async def push_of_four_subscriptions(to: PushEndpoint) -> None:
    """Push 40 messages each of four subscriptions, with 16 places for their pushes."""
    capacity = PushCapacity(16)
    async with AsyncExitStack() as stack:
        deliveries = []
        for _ in range(4):
            running = await stack.enter_async_context(pushing(to.url))
            await running.publish(*[b"x"] * 40)
            context = PushContext(running.broker, Tokens(None, running.broker.clock), capacity)
            deliveries.append((running, running.start(endpoint(to.url), context)))
        await asyncio.to_thread(to.wait_for, 160)
        for running, delivery in deliveries:
            await running.stop(delivery)


def test_subscriptions_that_share_few_places_push_all_messages() -> None:
    """Subscriptions that all wait for places, and have more than an equal share, do not block each other."""
    with running_endpoint() as to:
        asyncio.run(push_of_four_subscriptions(to))
    assert {push.envelope["deliveryAttempt"] for push in to.pushes} == {1}


def test_pushes_at_the_limit_of_open_files_cost_no_attempt() -> None:
    """With 128 open files, eight subscriptions have at most 64 pushes open, and each message one attempt."""
    command = ["sh", "-c", 'ulimit -n 128 && exec "$@"', "sh", sys.executable, "-m", "localpubsub"]
    command += ["--port", "0", "--ephemeral", "--log-level", "error"]
    open_pushes: set[tuple[str, str]] = set()
    most = 0
    full = threading.Event()  # is never set

    def respond(push: Push) -> Response:
        nonlocal most
        key = (push.envelope["subscription"], push.message_id)
        open_pushes.add(key)
        most = max(most, len(open_pushes))
        full.wait(0.3)  # the windows grow only with responses, so no push may wait forever
        open_pushes.discard(key)
        return 204

    with (
        running_endpoint() as to,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        to.respond = respond
        try:
            assert server.stdout is not None
            found = re.search(r"PUBSUB_EMULATOR_HOST=(\S+)\)", server.stdout.readline())
            assert found
            with connect(found.group(1)) as pubsub:
                topic, dead = pubsub.topic(), pubsub.topic()
                for _ in range(8):
                    pubsub.subscription(
                        topic,
                        push_config=PushConfig(push_endpoint=to.url),
                        ack_deadline_seconds=600,
                        dead_letter_policy=DeadLetterPolicy(dead_letter_topic=dead),
                        retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=0)),
                    )
                pubsub.publish(topic, *[b"x"] * 30)
                pushes = to.wait_for(8 * 30)
        finally:
            server.kill()
    assert {push.envelope["deliveryAttempt"] for push in pushes} == {1}
    assert most <= 64
