"""Twelve promises that hold with every broker, or a reason of the broker why not.

`python -m tests.relay.conformance` runs them and writes the table of docs/brokers.md.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from console.stack.services import DeliveryPolicy
from publishing.publisher import Message, PublishUnconfirmed
from tests.relay.broker_under_test import BrokerUnderTest, Deliverer
from tests.relay.brokers import COLUMNS
from tests.relay.worker_endpoint import Answer, Push, WorkerEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until

pytestmark = pytest.mark.parametrize("broker", COLUMNS, indirect=True, scope="module")

#: Pub/Sub allows no fewer attempts, and no shorter ack deadline than 10 s.
POLICY = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=2)
DELAYS = [1.0, 2.0]  #: seconds between the first deliveries with this policy
NOT_OURS = "§ 1: not ours".encode()  #: data of a message of another program

Delivery = Callable[..., AbstractContextManager[Deliverer]]


@pytest.fixture
def delivery(broker: BrokerUnderTest, endpoint: WorkerEndpoint, tmp_path: Path) -> Delivery:
    """Return what delivers the jobs of a broker, of which there are none yet, until its block ends."""
    broker.prepare(POLICY)

    def deliver(window: int = 100, **changes: int) -> AbstractContextManager[Deliverer]:
        return broker.deliver(endpoint.url, tmp_path / "delivery.log", replace(POLICY, **changes), window)

    return deliver


@pytest.fixture
def publish(broker: BrokerUnderTest) -> Iterator[Callable[..., str]]:
    """Return what publishes a job with some data and an ordering key, and returns its message id."""
    publisher = broker.publisher("scrape-jobs")
    yield lambda data, key="": publisher.publish(Message(data.encode(), {"job_id": data}, key))
    publisher.close()


def fail(_: Push) -> int:
    """Answer with an error."""
    return 503


def succeed_after(event: Event, waits: Callable[[Push], bool]) -> Answer:
    """Return an answer that is always a success, and for some pushes comes only after an event."""

    def answer(push: Push) -> int:
        if waits(push):
            event.wait(MAX_WAIT_SECONDS)
        return 204

    return answer


@pytest.mark.promise("publish confirmed")
def test_a_confirmed_message_is_delivered(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """A confirmed message arrives with id, data and attributes; one that no queue takes is unconfirmed."""
    nowhere = broker.publisher("missing")
    with pytest.raises(PublishUnconfirmed):
        nowhere.publish(Message(b"a", {}), 1)
    nowhere.close()
    message_id = publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 1)
        wait_until(broker.is_empty)
    [push] = endpoint.pushes
    assert (push.data, push.message_id, push.attributes) == ("a", message_id, {"job_id": "a"})


@pytest.mark.promise("attempts counted")
def test_each_delivery_has_the_number_of_its_attempt(
    delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """The worker gets 1, 2 and 3 as `deliveryAttempt`, and the third success acknowledges the message."""
    endpoint.answer = lambda push: 204 if push.attempt == 3 else 503
    publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 1)
    assert endpoint.attempts("a") == [1, 2, 3]


@pytest.mark.promise("delay between attempts")
def test_a_failed_message_comes_again_after_the_delay_of_the_retry_policy(
    delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """The time between two deliveries is at least the delay, which doubles with each attempt."""
    endpoint.answer = lambda push: 204 if push.attempt == 3 else 503
    publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 1)
    began = [push.began for push in endpoint.pushes]
    assert all(
        later - earlier >= delay for earlier, later, delay in zip(began[:-1], began[1:], DELAYS, strict=True)
    )


@pytest.mark.promise("dead-lettered after N, with a reason")
def test_a_message_that_always_fails_is_dead_lettered_with_the_reason_of_the_worker(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """After the last attempt the message is a dead letter with the worker's reason, and nowhere else."""
    endpoint.answer = fail
    publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("dead_lettered") == 1)
        wait_until(broker.is_empty)
    [dead] = broker.dead_letters()
    assert endpoint.attempts("a") == [1, 2, 3, 4, 5]
    assert (dead.data, dead.attributes["job_id"]) == (b"a", "a")
    assert dead.attributes["reason"] == "http_status"
    assert dead.attributes["detail"] == "the site said no"
    assert dead.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


@pytest.mark.promise("order per key")
def test_messages_of_a_key_are_delivered_one_at_a_time_in_their_order(
    delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """At most one push of an ordering key is open, and its messages come in the order of publishing."""
    for number in range(40):
        publish(str(number), f"example{number % 4}.org#0")
    with delivery(window=20) as running:
        wait_until(lambda: running.counter("acknowledged") == 40)
    assert endpoint.most_open_of_a_key == 1
    for key in range(4):
        numbers = [int(push.data) for push in endpoint.pushes if int(push.data) % 4 == key]
        assert numbers == sorted(numbers)


@pytest.mark.promise("crash of the consumer")
def test_a_worker_that_ends_without_an_answer_costs_one_attempt(
    delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """If the connection to the worker ends without an answer, the message is delivered again."""
    endpoint.answer = lambda push: None if push.attempt == 1 else 204
    publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 1)
    assert endpoint.attempts("a") == [1, 2]


@pytest.mark.promise("relay -9")
def test_a_killed_relay_or_what_else_delivers_loses_no_message(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """Messages whose pushes a kill of the relay ended are delivered by the next one, as a further attempt."""
    answered = Event()
    endpoint.answer = succeed_after(answered, lambda push: push.attempt == 1)
    for number in range(3):
        publish(str(number))
    with delivery() as running:
        wait_until(lambda: len(endpoint.pushes) == 3)
        running.kill()
    answered.set()
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 3)
        wait_until(broker.is_empty)
    assert [endpoint.attempts(str(number)) for number in range(3)] == [[1, 2]] * 3


@pytest.mark.promise("broker -9")
def test_a_killed_broker_loses_no_message(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """After a kill of the broker the delivery goes on, and every confirmed message is acknowledged."""
    killed = Event()
    endpoint.answer = succeed_after(killed, lambda push: int(push.data) >= 10)
    for number in range(20):
        publish(str(number))
    with delivery() as running:
        wait_until(lambda: any(int(push.data) >= 10 for push in list(endpoint.pushes)))
        broker.kill()
        killed.set()
        broker.start()
        publish("20")
        wait_until(lambda: {push.data for push in list(endpoint.answered)} == set(map(str, range(21))))
        wait_until(broker.is_empty)
        running.pause()
        running.finish()
    assert broker.is_empty()
    assert broker.dead_letters() == []


@pytest.mark.promise("duplicate")
def test_a_message_that_is_delivered_twice_has_the_same_id(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """If an acknowledgement is lost, the message comes again with its id, by which the worker knows it."""
    answered = Event()
    endpoint.answer = succeed_after(answered, lambda push: push.attempt == 1)
    publish("a")
    with delivery() as running:
        wait_until(lambda: len(endpoint.pushes) == 1)
        with broker.lose_acknowledgements(running):
            answered.set()
        wait_until(lambda: len(endpoint.answered) == 2)
        running.pause()
        running.finish()
    assert broker.is_empty()
    assert len({push.message_id for push in endpoint.pushes}) == 1


@pytest.mark.promise("slow worker past the lease")
def test_a_push_ends_with_the_ack_deadline_and_costs_one_attempt(
    delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """A worker that does not answer within the ack deadline gets the message again; other pushes go on."""
    late = Event()
    endpoint.answer = succeed_after(late, lambda push: push.data == "slow" and push.attempt == 1)
    publish("slow")
    publish("quick")
    with delivery(ack_deadline_seconds=10) as running:
        wait_until(lambda: running.counter("acknowledged") == 2)
        assert "no response within the ack deadline of 10 s" in running.output()
    late.set()
    assert endpoint.attempts("slow") == [1, 2]


@pytest.mark.promise("poison")
def test_a_message_of_another_program_is_dead_lettered_and_blocks_nothing(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """A message that no publisher of Scrapeq wrote never reaches the worker; the next message does."""
    broker.publish_foreign(NOT_OURS)
    publish("a")
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 1)
        [dead] = wait_for(broker.dead_letters, bool)
        wait_until(broker.is_empty)
    assert [push.data for push in endpoint.pushes] == ["a"]
    assert (dead.data, dead.attributes["reason"]) == (NOT_OURS, "bad_envelope")


@pytest.mark.promise("pause")
def test_a_paused_delivery_finishes_its_pushes_and_costs_the_rest_no_attempt(
    broker: BrokerUnderTest, delivery: Delivery, publish: Callable[..., str], endpoint: WorkerEndpoint
) -> None:
    """Open pushes are awaited; the other messages are first attempts for the next relay, or after a pause."""
    paused = Event()
    endpoint.answer = succeed_after(paused, lambda _: True)
    for number in range(6):
        publish(str(number))
    with delivery(window=2) as running:
        wait_until(lambda: len(endpoint.pushes) == 2)
        running.pause()
        paused.set()
        running.finish()
    assert len(endpoint.pushes) == 2
    assert not broker.is_empty()
    with delivery() as running:
        wait_until(lambda: running.counter("acknowledged") == 4)
        wait_until(broker.is_empty)
    assert sorted(push.data for push in endpoint.pushes) == list("012345")
    assert {push.attempt for push in endpoint.pushes} == {1}
