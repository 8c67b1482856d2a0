"""If one relay at a time receives, an ordering key has one open push, also while a relay stops."""

from pathlib import Path
from threading import Event

import pytest

from publishing.publisher import Message
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import running_relay
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

KEY = "example.org#0"
#: For so long the push of a relay that stops stays open. Another relay that received would deliver the next
#: message of the key in this time.
OPEN_SECONDS = 3.0


@pytest.mark.parametrize("option", [("--single-active",), ("--partitions", "2")], ids=" ".join)
def test_a_relay_that_stops_ends_its_push_before_the_next_relay_begins(
    rabbitmq_server: RabbitMqServer, endpoint: WorkerEndpoint, tmp_path: Path, option: tuple[str, ...]
) -> None:
    """The next message of the key is pushed by the other relay, after the push of the one that stops."""
    broker = RabbitMqUnderTest(rabbitmq_server)
    broker.create(*option)
    is_stopping, is_next_pushed = Event(), Event()

    def answer(push: Push) -> int:
        if push.data == "0":
            is_stopping.wait(MAX_WAIT_SECONDS)
            is_next_pushed.wait(OPEN_SECONDS)
        else:
            is_next_pushed.set()
        return 204

    endpoint.answer = answer
    publisher = broker.publisher("scrape-jobs")
    publisher.publish(Message(b"0", {}, KEY))
    first_log, second_log = tmp_path / "first.log", tmp_path / "second.log"
    with running_relay(broker.url, endpoint.url, first_log, *option) as first:
        wait_until(lambda: len(endpoint.pushes) == 1)
        publisher.publish(Message(b"1", {}, KEY))
        with running_relay(broker.url, endpoint.url, second_log, *option) as second:
            first.process.terminate()
            wait_until(lambda: "relay_stops" in first.output())
            is_stopping.set()
            assert first.process.wait(MAX_WAIT_SECONDS) == 0
            wait_until(lambda: second.counter("acknowledged") == 1)
            wait_until(broker.is_empty)
    publisher.close()
    assert [(push.data, push.attempt) for push in endpoint.pushes] == [("0", 1), ("1", 1)]
    assert endpoint.most_open_of_a_key == 1
