"""Every broker keeps the labels of the jobs topic, which carry the operator's controls to the workers."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from console.controls.cancel import cancel
from console.controls.queue import open_queue
from console.stack.pubsub_address import PubsubAddress
from contract.controls import Controls
from publishing.open_publisher import LabelPublisher, open_publisher
from tests.relay.relay_process import run
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.waiting import MAX_WAIT_SECONDS

LABELS = {"cancel-0123": "1796107994", "pause-all": "none"}


@pytest.fixture
def publisher(broker: RelayedBroker) -> Iterator[LabelPublisher]:
    """A publisher of the jobs, whose topic has no labels."""
    broker.create()
    with closing(opened(broker)) as publisher:
        yield publisher


def opened(broker: RelayedBroker) -> LabelPublisher:
    """Return a further publisher of the jobs, as another process has one."""
    publisher: LabelPublisher = open_publisher(  # type: ignore[assignment]  # only Pub/Sub's is none
        broker.url, "", "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS, batch_seconds=0
    )
    return publisher


def test_labels_are_those_that_were_set_last(broker: RelayedBroker, publisher: LabelPublisher) -> None:
    """A new topic has no labels; new labels replace those before, and every process reads them."""
    assert publisher.labels(MAX_WAIT_SECONDS) == {}
    publisher.set_labels({"a": "1"}, MAX_WAIT_SECONDS)
    publisher.set_labels(LABELS, MAX_WAIT_SECONDS)
    with closing(opened(broker)) as other:
        assert other.labels(MAX_WAIT_SECONDS) == LABELS
    publisher.set_labels({}, MAX_WAIT_SECONDS)
    assert publisher.labels(MAX_WAIT_SECONDS) == {}


def test_a_second_creation_keeps_labels(broker: RelayedBroker, publisher: LabelPublisher) -> None:
    """`--create` keeps what operators have set, as it keeps the messages."""
    publisher.set_labels(LABELS, MAX_WAIT_SECONDS)
    done = run(broker.url, "--create")
    assert done.returncode == 0, done.stderr
    assert publisher.labels(MAX_WAIT_SECONDS) == LABELS


def test_labels_are_kept_with_the_messages(broker: RelayedBroker, publisher: LabelPublisher) -> None:
    """A broker that is killed, or cannot be reached for a while, has the labels afterwards."""
    publisher.set_labels(LABELS, MAX_WAIT_SECONDS)
    broker.interrupt()
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        publisher.labels(1)
    broker.resume()
    assert publisher.labels(MAX_WAIT_SECONDS) == LABELS


def test_a_cancelled_run_is_in_the_labels(broker: RelayedBroker, publisher: LabelPublisher) -> None:
    """`scrapeq cancel` reaches the workers of every broker."""
    with open_queue(PubsubAddress("", broker_url=broker.url)) as queue:
        cancel(queue, "books-1", "ada", in_flight=3)
        assert queue.controls().is_cancelled("books-1")
    assert Controls.from_labels(publisher.labels(MAX_WAIT_SECONDS)).is_cancelled("books-1")
