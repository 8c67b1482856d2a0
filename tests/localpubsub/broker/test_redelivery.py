"""Tests that no message is lost between its delivery and its end, step by step in virtual time.

``tests/localpubsub/mutations`` contains a fault for each of these tests.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import RESTORE_DELAY
from localpubsub.protocol.messages import SeekRequest, Topic
from localpubsub.storage.journal import COMMIT_DELAY
from tests.localpubsub.broker.stepped_broker import DEAD_TOPIC, NAME, NOW, SteppedBroker

ATTEMPTS = 5


@pytest.fixture
def stepped() -> Iterator[SteppedBroker]:
    """Run a broker during a test."""
    broker = SteppedBroker()
    yield broker
    broker.close()


class Holder:
    """A consumer that records which of its leases have ended."""

    takes_further = False

    def __init__(self) -> None:
        self.ended: list[Lease] = []

    def lease_ended(self, lease: Lease) -> None:
        """Record a lease."""
        self.ended.append(lease)


def deliver(stepped: SteppedBroker, holder: Holder | None = None) -> Lease | None:
    """Lease the next message for ten seconds, or return None if no message is ready."""
    lease: Lease | None = stepped.do(
        stepped.broker.deliver, stepped.broker.catalogue.subscriptions[NAME], 10, holder
    )
    return lease


def write(stepped: SteppedBroker) -> None:
    """Let the commit delay pass, and write everything."""
    stepped.advance(2 * COMMIT_DELAY)
    stepped.finish()


def nack(stepped: SteppedBroker, lease: Lease) -> None:
    """Nack a message, and finish what follows from it."""
    stepped.do(stepped.broker.nack, stepped.broker.catalogue.subscriptions[NAME], lease)
    write(stepped)


def dead_letter_policy() -> dict[str, Any]:
    """Return a policy with the smallest number of attempts."""
    return {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": ATTEMPTS}


def test_lease_expires_at_its_deadline_and_the_message_is_redelivered(stepped: SteppedBroker) -> None:
    """A message that is not acknowledged within ten seconds is ready again, and its holder is notified."""
    stepped.create()
    stepped.publish(b"x")
    holder = Holder()
    first = deliver(stepped, holder)
    stepped.advance(9.9)
    assert holder.ended == []
    assert deliver(stepped) is None
    stepped.advance(0.2)
    assert holder.ended == [first]
    second = deliver(stepped)
    assert second is not None
    assert second.attempt == 2


def test_dead_letter_without_a_topic_stays_in_its_subscription(stepped: SteppedBroker) -> None:
    """A message that cannot be dead-lettered, because the topic was deleted, is delivered again."""
    stepped.call(stepped.broker.catalogue.create_topic(Topic(name=DEAD_TOPIC)))
    stepped.create(dead_letter_policy=dead_letter_policy())
    stepped.call(stepped.broker.catalogue.delete_topic(DEAD_TOPIC))
    message_ids = stepped.publish(b"x")
    for _ in range(ATTEMPTS):
        nack(stepped, stepped.lease())
    assert stepped.unacknowledged() == (message_ids, message_ids)
    stepped.advance(RESTORE_DELAY)
    assert stepped.lease().attempt == ATTEMPTS + 1


def test_ack_that_cannot_be_written_is_undone(stepped: SteppedBroker) -> None:
    """If the disk refuses an ack, the message is delivered again, as it would be after a restart."""
    stepped.create()
    message_ids = stepped.publish(b"x")
    stepped.store.refuses.add("write")
    stepped.acknowledge(stepped.lease())
    write(stepped)
    stepped.store.refuses.clear()
    assert stepped.unacknowledged() == (message_ids, message_ids)
    stepped.advance(RESTORE_DELAY)
    stepped.acknowledge(stepped.lease())
    write(stepped)
    assert stepped.unacknowledged() == ([], [])


@pytest.mark.parametrize("seconds", [-60, 60], ids=["to the past", "to the future"])
def test_seek_notifies_the_holders_of_leases(stepped: SteppedBroker, seconds: int) -> None:
    """A seek ends all leases, so the consumers that hold them are notified, once each."""
    stepped.create()
    stepped.publish(b"1", b"2")
    holder = Holder()
    leases = [deliver(stepped, holder), deliver(stepped, holder)]
    seek(stepped, seconds)
    assert holder.ended == leases


def test_seek_keeps_the_attempts_of_unacknowledged_messages(stepped: SteppedBroker) -> None:
    """A message that a seek leaves unacknowledged is dead-lettered after as many attempts as without it."""
    stepped.call(stepped.broker.catalogue.create_topic(Topic(name=DEAD_TOPIC)))
    stepped.create(dead_letter_policy=dead_letter_policy())
    stepped.publish(b"x")
    for _ in range(ATTEMPTS - 1):
        nack(stepped, stepped.lease())
    seek(stepped, -60)
    last = stepped.lease()
    assert last.attempt == ATTEMPTS
    nack(stepped, last)
    assert stepped.unacknowledged() == ([], [])


def seek(stepped: SteppedBroker, seconds: int) -> None:
    """Seek the subscription to a time, in seconds after the start of the virtual time."""
    request = SeekRequest(subscription=NAME)
    request.time.FromSeconds(int(NOW) + seconds)
    stepped.call(stepped.seeker.seek(request))
