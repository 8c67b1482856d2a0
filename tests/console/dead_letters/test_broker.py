"""Tests that dead letters on a broker other than Pub/Sub are worked off without losing any; real servers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from google.pubsub_v1 import types

from console.dead_letters.broker import BrokerDeadLetters, open_broker
from console.dead_letters.processing import Selection, process
from console.dead_letters.publishing import Message, publish
from console.errors import BrokerError, NoPubsubError, ReplayError
from console.stack.ports import free_port
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_connection import open_pubsub
from contract.topology import DEAD_LETTER_TOPIC
from publishing.publisher import Message as BrokerMessage
from tests.relay.brokers import BROKERS
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.waiting import wait_until

PULLED_AND_HELD = """
import sys, time
from console.dead_letters.broker import BrokerDeadLetters
from console.stack.pubsub_address import PubsubAddress
letters = BrokerDeadLetters(PubsubAddress("", broker_url=sys.argv[1]))
print(len(letters.pull(1)), flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest) -> RelayedBroker:
    """Each broker in turn; its server is started once."""
    server, driver = BROKERS[request.param]
    return driver(request.getfixturevalue(server))


@pytest.fixture
def address(broker: RelayedBroker) -> PubsubAddress:
    """The address of a broker whose queues are empty."""
    broker.create()
    return PubsubAddress("", broker_url=broker.url)


@contextmanager
def reading(address: PubsubAddress) -> Iterator[BrokerDeadLetters]:
    """Open the dead letters of the broker, and release them at the end."""
    letters = BrokerDeadLetters(address)
    try:
        yield letters
    finally:
        letters.release()


def die(address: PubsubAddress, *names: str) -> None:
    """Publish a dead letter with each name as its data, and with an attribute of each kind."""
    with open_broker(address) as connection:
        attributes = {"job_id": "1", "reason": "timeout"}
        publish(connection, DEAD_LETTER_TOPIC, [Message(name.encode(), attributes, "key") for name in names])


def pull_all(letters: BrokerDeadLetters, count: int) -> dict[str, types.PubsubMessage]:
    """Pull until `count` different dead letters were received; return them by their data."""
    found = dict[str, types.PubsubMessage]()

    def is_complete() -> bool:
        found.update((each.data.decode(), each) for each in letters.pull(100))
        return len(found) >= count

    wait_until(is_complete, f"{count} dead letters are delivered")
    return found


def remaining(address: PubsubAddress, count: int) -> set[str]:
    """Return the data of `count` dead letters, and release them again."""
    with reading(address) as letters:
        return set(pull_all(letters, count))


def test_chosen_dead_letters_are_removed_and_the_others_return(
    broker: RelayedBroker, address: PubsubAddress
) -> None:
    """What is settled is acknowledged; what was only read is in the queue again, with all its parts."""
    die(address, "a", "b", "c")
    settled = list[str]()

    def settle(messages: Sequence[types.PubsubMessage]) -> None:
        settled.extend(each.data.decode() for each in messages)

    with reading(address) as letters:
        chosen = {pull_all(letters, 3)["b"].message_id}
    with reading(address) as letters:
        assert process(letters, Selection(chosen), settle).done == chosen
    assert settled == ["b"]
    found = list[BrokerMessage]()

    def are_in_the_queue() -> bool:
        found.extend(broker.dead_letters())
        return len(found) >= 2

    wait_until(are_in_the_queue, "both others are in the queue again")
    left = {each.data: each for each in found}
    assert left.keys() == {b"a", b"c"}
    assert left[b"a"].attributes == {"job_id": "1", "reason": "timeout"}
    assert left[b"a"].ordering_key == "key"


def test_a_dead_letter_whose_job_is_not_published_stays(address: PubsubAddress) -> None:
    """If the publish is not confirmed, the command fails, and the dead letter is not acknowledged."""
    die(address, "a")
    with reading(address) as letters:
        name = pull_all(letters, 1)["a"].message_id

    def refuse(_: Sequence[types.PubsubMessage]) -> None:
        raise BrokerError("not confirmed")

    with reading(address) as letters, pytest.raises(ReplayError, match="failed: not confirmed") as raised:
        process(letters, Selection({name}), refuse)
    assert "0 dead letters are done" in str(raised.value)
    assert remaining(address, 1) == {"a"}


def test_dead_letters_of_a_killed_command_are_delivered_again(address: PubsubAddress) -> None:
    """A command that holds dead letters is killed with SIGKILL; the next one receives them."""
    die(address, "a", "b")
    with subprocess.Popen(
        [sys.executable, "-c", PULLED_AND_HELD, address.broker_url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    ) as command:
        assert command.stdout
        assert command.stdout.readline() == "1\n"
        command.kill()
    assert remaining(address, 2) == {"a", "b"}


def test_an_unreachable_broker_is_an_error_with_its_address() -> None:
    """Neither a publish nor a pull raises anything else than an error with a sentence, without a password."""
    port = free_port()
    address = PubsubAddress("", broker_url=f"amqp://user:secret@127.0.0.1:{port}/")
    with reading(address) as letters, pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{port}") as raised:
        letters.pull(1)
    assert "secret" not in str(raised.value)


def test_a_broker_is_not_addressed_as_pubsub() -> None:
    """The error names the broker, without a password."""
    address = PubsubAddress("", broker_url="amqp://user:secret@rabbit.example/")
    with pytest.raises(NoPubsubError, match="needs Pub/Sub") as raised, open_pubsub(address):
        pass
    assert "amqp://rabbit.example:5672" in str(raised.value)
    assert "secret" not in str(raised.value)
