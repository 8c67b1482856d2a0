"""Nothing is lost while relays and the broker are killed again and again."""

import secrets
import time
from pathlib import Path

import pytest

from publishing.publisher import Message
from tests.relay.brokers import BrokerUnderTest
from tests.relay.relay_process import running_relay
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.waiting import wait_until

JOBS = 2000
RELAY_KILLS = 6
#: A killed relay costs each message that it has received an attempt, so there are more attempts than kills.
SETTINGS = ("--min-backoff", "1", "--max-backoff", "1", "--max-attempts", "20")


@pytest.mark.long
def test_killed_relays_and_a_killed_broker_lose_no_job(
    broker: BrokerUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """All jobs are acknowledged, although relays are killed, the broker is killed, and answers fail."""
    broker.create(*SETTINGS)
    failing = secrets.SystemRandom()
    succeeded = set[str]()

    def answer(push: Push) -> int:
        time.sleep(0.05)
        if failing.random() < 0.05:
            return 503
        succeeded.add(push.data)
        return 204

    endpoint.answer = answer
    publisher = broker.publisher("scrape-jobs")
    results = list(publisher.publish_all(Message(str(number).encode(), {}) for number in range(JOBS)))
    publisher.close()
    assert all(isinstance(result, str) for result in results)
    for kill in range(RELAY_KILLS):
        with running_relay(broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS) as relay:
            goal = len(endpoint.answered) + 100
            wait_until(lambda goal=goal: len(endpoint.answered) >= goal or len(succeeded) == JOBS)  # type: ignore[misc]  # mypy expects no argument
            if kill == RELAY_KILLS // 2:
                broker.kill()
                broker.start()
            relay.kill()
    with running_relay(broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS) as relay:
        wait_until(lambda: broker.is_empty() and len(succeeded) == JOBS)
        relay.terminate()  # it waits for its open pushes, some of which may be duplicates
    endpoint.answer = lambda _: 204
    with running_relay(broker.url, endpoint.url, tmp_path / "relay.log", *SETTINGS) as relay:
        wait_until(broker.is_empty)
        relay.terminate()
    assert broker.is_empty()
    assert broker.dead_letters() == []
