"""Publishes messages of jobs, outcomes and dead letters for the tests of the ledger."""

import json

from contract.topology import OUTCOMES_TOPIC
from publishing.publisher import Message
from tests.contract.documents import OUTCOME
from tests.relay.relayed_broker import RelayedBroker

JOB = {"version": 2, "url": "https://shop.example/"}


def message(topic: str, job: str) -> Message:
    """Return a message of a job."""
    attributes = {"run_id": "books-1", "job_id": job}
    document = {**OUTCOME, **attributes} if topic == OUTCOMES_TOPIC else JOB
    return Message(json.dumps(document).encode(), attributes)


def publish(broker: RelayedBroker, topic: str, count: int, first: int = 0) -> None:
    """Publish messages of the jobs `first`, `first + 1` and so on."""
    messages = (message(topic, str(number)) for number in range(first, first + count))
    assert all(isinstance(each, str) for each in broker.publisher(topic).publish_all(messages))
