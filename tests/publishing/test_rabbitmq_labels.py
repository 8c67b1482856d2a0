"""A message of a queue carries the labels of a topic of RabbitMQ, which many processes read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from publishing.label_record import NoLabels
from publishing.rabbitmq.confirms import NotConfirmed
from publishing.rabbitmq.labels import StoredLabels, new_labels
from publishing.rabbitmq.publisher import RabbitMqPublisher
from publishing.rabbitmq.wire import write_properties
from relay.rabbitmq.topology import create
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until

LABELS = {"cancel-0123": "1796107994", "pause-all": "none"}
QUEUE = "scrape-jobs.labels"


@pytest.fixture
def publisher(rabbitmq_server: RabbitMqServer) -> Iterator[RabbitMqPublisher]:
    """A publisher of the jobs, whose topic has no labels."""
    with rabbitmq_server.channel() as channel:
        channel.queue_delete(QUEUE)
    create(rabbitmq_server.url, ())
    with closing(opened(rabbitmq_server)) as publisher:
        yield publisher


def opened(server: RabbitMqServer) -> RabbitMqPublisher:
    """Return a further publisher of the jobs, as another process has one."""
    return RabbitMqPublisher(server.url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS)


def test_labels_are_those_that_were_set_last(publisher: RabbitMqPublisher) -> None:
    """A new topic has no labels; labels replace those before, and reading changes nothing."""
    assert publisher.labels(MAX_WAIT_SECONDS) == {}
    publisher.set_labels({"a": "1"}, MAX_WAIT_SECONDS)
    publisher.set_labels(LABELS, MAX_WAIT_SECONDS)
    assert [publisher.labels(MAX_WAIT_SECONDS) for _ in range(50)] == [LABELS] * 50


def test_labels_survive_a_second_creation_and_a_kill_of_the_server(
    rabbitmq_server: RabbitMqServer, publisher: RabbitMqPublisher
) -> None:
    """`--create` keeps labels that exist, and RabbitMQ has them after SIGKILL."""
    publisher.set_labels(LABELS, MAX_WAIT_SECONDS)
    create(rabbitmq_server.url, ())
    rabbitmq_server.kill()
    rabbitmq_server.start()
    assert publisher.labels(MAX_WAIT_SECONDS) == LABELS


def test_many_processes_read_labels_while_they_change(
    rabbitmq_server: RabbitMqServer, publisher: RabbitMqPublisher
) -> None:
    """No reader sees a topic without labels because another one reads, and all see the last ones."""
    publisher.set_labels({"number": "0"}, MAX_WAIT_SECONDS)
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(opened(rabbitmq_server))) for _ in range(8)]
        threads = stack.enter_context(ThreadPoolExecutor(len(readers)))
        reading = [
            threads.submit(lambda of: [of.labels(MAX_WAIT_SECONDS) for _ in range(30)], each)
            for each in readers
        ]
        for number in range(1, 20):
            publisher.set_labels({"number": str(number)}, MAX_WAIT_SECONDS)
        found = [labels for each in reading for labels in each.result()]
        assert {frozenset(labels) for labels in found} == {frozenset({"number"})}
        # Old labels end when a reader has them and newer ones.
        wait_until(
            lambda: all(each.labels(MAX_WAIT_SECONDS) == {"number": "19"} for each in readers),
            "all processes read the last labels",
        )


@pytest.mark.parametrize("returned_first", ["old", "new"])
def test_a_held_message_does_not_come_back_after_newer_labels(
    rabbitmq_server: RabbitMqServer, publisher: RabbitMqPublisher, returned_first: str
) -> None:
    """If two readers have old and new labels at the same time, the new ones stay and the old ones end."""
    publisher.set_labels({"number": "old"}, MAX_WAIT_SECONDS)
    assert publisher.labels(MAX_WAIT_SECONDS) == {"number": "old"}  # the labels before are removed
    with rabbitmq_server.channel() as channel:
        old, properties, _ = channel.basic_get(QUEUE)
        message = new_labels({"number": "new"}, StoredLabels.read(b"", properties))
        channel.basic_publish(QUEUE, "", message.data, write_properties(message, "new"))
        new = wait_for(lambda: channel.basic_get(QUEUE)[0], bool, "the new labels are in the queue")
        tags = {"old": old.delivery_tag, "new": new.delivery_tag}
        for name in sorted(tags, key=lambda each: each != returned_first):
            channel.basic_nack(tags[name], requeue=True)
    assert [publisher.labels(MAX_WAIT_SECONDS) for _ in range(20)] == [{"number": "new"}] * 20
    with rabbitmq_server.channel() as channel:
        wait_until(lambda: channel.queue_purge(QUEUE).method.message_count == 1, "only the new labels exist")


def test_new_labels_are_newer_than_those_of_a_faster_clock() -> None:
    """Labels from a computer whose clock is slow replace those from one whose clock is fast."""
    ahead = StoredLabels(2**45, "id", b"{}")
    message = new_labels({}, replaced=ahead)
    assert StoredLabels.read(message.data, write_properties(message, "id")) > ahead


def test_labels_that_cannot_be_read_are_no_empty_labels(
    rabbitmq_server: RabbitMqServer, publisher: RabbitMqPublisher
) -> None:
    """A missing or empty queue and a message of another program are errors, and the connection stays."""
    with rabbitmq_server.channel() as channel:
        channel.confirm_delivery()
        channel.basic_publish(QUEUE, "", b"\x00")
        assert publisher.labels(MAX_WAIT_SECONDS) == {}  # beside labels, the other message is removed
        wait_until(lambda: channel.queue_purge(QUEUE).method.message_count == 1, "the labels are back")
        channel.basic_publish(QUEUE, "", b"\x00")
        with pytest.raises(NoLabels, match="not one of Scrapeq's"):
            publisher.labels(MAX_WAIT_SECONDS)
        # The reader may not have returned the message yet.
        wait_until(lambda: channel.queue_purge(QUEUE).method.message_count == 1, "the message is back")
        with pytest.raises((NoLabels, TimeoutError)):  # the latter if RabbitMQ needs all of the time
            publisher.labels(1)
        channel.queue_delete(QUEUE)
    with pytest.raises(NotConfirmed, match=rf"no queue '{QUEUE}'.*python -m relay --create"):
        publisher.labels(MAX_WAIT_SECONDS)
    create(rabbitmq_server.url, ())
    assert publisher.labels(MAX_WAIT_SECONDS) == {}
