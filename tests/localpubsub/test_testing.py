"""Tests of the pytest fixture `pubsub`, and of the requests with which it controls a server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import PubsubMessage

from localpubsub.testing import Delivery, PubsubServer, RequestFailed
from tests.conformance.streaming import Stream
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import connect
from tests.servers.push_endpoint import running_endpoint


def test_official_clients_use_the_server_without_settings(pubsub: PubsubServer) -> None:
    """Clients that are created in a test publish to the fixture's server, and pull from it."""
    assert os.environ["PUBSUB_EMULATOR_HOST"] == pubsub.host
    assert os.environ["PUBSUB_PROJECT_ID"] == pubsub.project
    pubsub.create(topics=["orders"], subscriptions=[{"name": "billing", "topic": "orders"}])
    publisher, subscriber = PublisherClient(), SubscriberClient()
    with publisher, subscriber:
        message_id = publisher.publish(pubsub.topic("orders"), b"a book", customer="Ada").result()
        name = pubsub.subscription("billing")
        [received] = subscriber.pull(subscription=name, max_messages=1).received_messages
        [message] = pubsub.messages("orders")
        assert (message.message_id, message.data, message.attributes) == (
            message_id,
            b"a book",
            {"customer": "Ada"},
        )
        assert message.deliveries == {"billing": Delivery("outstanding", 1, 1)}
        subscriber.acknowledge(subscription=name, ack_ids=[received.ack_id])
    pubsub.wait_until_empty("billing")
    assert pubsub.messages("orders")[0].deliveries == {"billing": Delivery("acknowledged", 1, 1)}


@pytest.mark.parametrize("test", ["first", "second"])
def test_each_test_begins_with_an_empty_server(pubsub: PubsubServer, test: str) -> None:
    """What one test has created, or let fail, is gone in the next one."""
    pubsub.create(topics=["orders"])
    pubsub.publish("orders", test.encode())
    assert [message.data for message in pubsub.messages("orders")] == [test.encode()]
    pubsub.fail("Publish", "UNAVAILABLE", times=100)


def test_messages_of_all_pages_are_returned(pubsub: PubsubServer) -> None:
    """More messages than a page contains are returned in the order of their publication, with their keys."""
    pubsub.create(topics=["orders"])
    with connect(pubsub.host) as client:
        client.publish(pubsub.topic("orders"), *[b"%d" % number for number in range(250)])
    pubsub.publish("orders", b"last", ordering_key="k")
    found = pubsub.messages("orders")
    assert [message.data for message in found] == [*(b"%d" % number for number in range(250)), b"last"]
    assert (found[-1].ordering_key, found[-1].deliveries) == ("k", {})
    assert found[0].publish_time <= found[-1].publish_time


def test_time_passes_at_once(pubsub: PubsubServer) -> None:
    """An hour on the clock ends a lease and a backoff, and publish times are those of the clock."""
    settings = {"ackDeadlineSeconds": 600, "retryPolicy": {"minimumBackoff": "600s"}}
    pubsub.create(topics=["orders"], subscriptions=[{"name": "billing", "topic": "orders", **settings}])
    pubsub.publish("orders", b"a book")
    with connect(pubsub.host) as client:
        assert len(client.pull(pubsub.subscription("billing"))) == 1
        pubsub.advance(600)
        pubsub.wait_for_messages("orders", lambda found: found[0].deliveries["billing"].state == "waiting")
        assert client.pull_now(pubsub.subscription("billing")) == []
        pubsub.advance(600)
        assert len(client.pull(pubsub.subscription("billing"))) == 1
    pubsub.publish("orders", b"later")
    first, later = pubsub.messages("orders")
    assert (later.publish_time - first.publish_time).total_seconds() >= 1200
    assert first.deliveries["billing"].attempt == 2


def test_calls_fail_as_often_as_injected(pubsub: PubsubServer) -> None:
    """A method fails with the code as often as the test says, over gRPC and over REST."""
    pubsub.create(topics=["orders"])
    pubsub.fail("Publish", "UNAVAILABLE", times=2)
    with connect(pubsub.host) as client:
        with pytest.raises(ServiceUnavailable, match="injected"):
            client.publisher.publish(
                topic=pubsub.topic("orders"), messages=[PubsubMessage(data=b"1")], retry=None
            )
        with pytest.raises(RequestFailed, match=r"injected this fault \(Publish\)"):
            pubsub.publish("orders", b"2")
        client.publish(pubsub.topic("orders"), b"3")
    assert [message.data for message in pubsub.messages("orders")] == [b"3"]


def test_stream_fails_as_injected(pubsub: PubsubServer) -> None:
    """A StreamingPull that fails can be opened again, and then delivers."""
    # The streams are opened one by one, because the official client sometimes opens two after an error, and
    # reads only one of them.
    pubsub.create(topics=["orders"], subscriptions=[{"name": "billing", "topic": "orders"}])
    pubsub.fail("StreamingPull", "UNAVAILABLE")
    pubsub.publish("orders", b"a book")
    with connect(pubsub.host) as client:
        first = {"subscription": pubsub.subscription("billing")}
        with Stream(client, **first) as stream, pytest.raises(ServiceUnavailable, match="injected"):
            stream.messages(1)
        with Stream(client, **first) as stream:
            [received] = stream.messages(1)
            assert received.message.data == b"a book"


@pytest.mark.parametrize(
    ("method", "code", "times", "reason"),
    [
        ("Publsh", "UNAVAILABLE", 1, "There is no method 'Publsh'; the methods are .*Publish"),
        ("Publish", "BROKEN", 1, "There is no code 'BROKEN'; the codes are .*UNAVAILABLE"),
        ("Publish", "UNAVAILABLE", 0, "it must be from 1 to 1000000"),
    ],
)
def test_invalid_fault_is_rejected(
    pubsub: PubsubServer, method: str, code: str, times: int, reason: str
) -> None:
    """The error says which methods and codes there are."""
    with pytest.raises(RequestFailed, match=reason):
        pubsub.fail(method, code, times)


@pytest.mark.parametrize("seconds", [-1, 1e9, float("nan"), float("inf")])
def test_clock_is_not_advanced_by_invalid_seconds(pubsub: PubsubServer, seconds: float) -> None:
    """The clock cannot go back, nor more than a year ahead."""
    with pytest.raises(RequestFailed, match=r"Invalid advance given|not JSON"):
        pubsub.advance(seconds)


def test_waiting_in_vain_names_what_is_left(pubsub: PubsubServer) -> None:
    """A wait that ends without success says how many messages are left, and shows them."""
    pubsub.create(topics=["orders"], subscriptions=[{"name": "billing", "topic": "orders"}])
    pubsub.publish("orders", b"a book")
    with pytest.raises(TimeoutError, match="1 messages of billing are unacknowledged"):
        pubsub.wait_until_empty("billing", timeout=0)
    with pytest.raises(TimeoutError, match="data=b'a book'"):
        pubsub.wait_for_messages("orders", lambda found: not found, timeout=0)
    with pytest.raises(RequestFailed, match="nothing"):
        pubsub.wait_until_empty("nothing")


def test_async_test_serves_its_pushes_while_it_waits(pubsub: PubsubServer) -> None:
    """An endpoint in the event loop of the test gets the push while the test waits in a thread."""

    async def main() -> list[bytes]:
        received: list[bytes] = []

        async def push(request: web.Request) -> web.Response:
            received.append(await request.read())
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/push", push)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint = {"pushEndpoint": f"http://127.0.0.1:{runner.addresses[0][1]}/push"}
        pubsub.create(
            topics=["orders"], subscriptions=[{"name": "push", "topic": "orders", "pushConfig": endpoint}]
        )
        pubsub.publish("orders", b"a book")
        await asyncio.to_thread(pubsub.wait_until_empty)
        await runner.cleanup()
        return received

    assert len(asyncio.run(main())) == 1


def test_server_that_runs_elsewhere_is_controlled_by_its_address() -> None:
    """A PubsubServer needs only the address of a process: both ports serve its requests."""
    with running_process("--ephemeral") as process, running_endpoint() as endpoint:
        server = PubsubServer(process.host, project="shop")
        push = {"name": "push", "topic": "orders", "pushConfig": {"pushEndpoint": endpoint.url}}
        server.create(topics=["orders"], subscriptions=[push])
        server.publish("orders", b"a book")
        server.wait_until_empty()
        assert len(endpoint.pushes) == 1
        server.reset()
        with pytest.raises(RequestFailed, match="projects/shop/topics/orders"):
            server.messages("orders")


def test_schema_of_a_topic_is_created_before_it(pubsub: PubsubServer) -> None:
    """Resources are created in the order in which they need each other."""
    definition = '{"type": "record", "name": "Order", "fields": [{"name": "book", "type": "string"}]}'
    pubsub.create(
        topics=[{"name": "orders", "schemaSettings": {"schema": "order", "encoding": "JSON"}}],
        schemas=[{"name": "order", "type": "AVRO", "definition": definition}],
    )
    pubsub.publish("orders", b'{"book": "Faust"}')
    with pytest.raises(RequestFailed):
        pubsub.publish("orders", b"{}")


def test_plugin_is_imported_without_the_server(tmp_path: Path) -> None:
    """A pytest run whose tests use no Pub/Sub imports neither gRPC nor aiohttp."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n    assert 'localpubsub.pytest_plugin' in sys.modules\n"
        "    assert not {'grpc', 'aiohttp', 'yaml'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout
