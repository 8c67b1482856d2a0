"""Relays share the partitions of RabbitMQ, and an ordering key never has two open pushes of them."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from publishing.publisher import Message
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import RelayProcess, running_relay
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import wait_for, wait_until

PARTITIONS = 4
SETTINGS = ("--partitions", str(PARTITIONS), "--min-backoff", "1", "--max-backoff", "1")
KEYS = 24
PUSH_SECONDS = 0.05  #: how long the worker works on a page

Relay = Callable[..., AbstractContextManager[RelayProcess]]
Publish = Callable[[int, int], None]


@pytest.fixture
def broker(rabbitmq_server: RabbitMqServer) -> RabbitMqUnderTest:
    """RabbitMQ with empty partitions."""
    under_test = RabbitMqUnderTest(rabbitmq_server)
    under_test.create(*SETTINGS)
    return under_test


@pytest.fixture
def relay(broker: RabbitMqUnderTest, endpoint: WorkerEndpoint, tmp_path: Path) -> Relay:
    """Return what starts a relay, which pushes to a path of its own."""

    def start(name: str, *arguments: str) -> AbstractContextManager[RelayProcess]:
        log = tmp_path / f"{name}.log"
        options = (*SETTINGS, "--window", "8", *arguments)
        return running_relay(broker.url, f"{endpoint.url}{name}", log, *options)

    return start


@pytest.fixture
def publish(broker: RabbitMqUnderTest) -> Iterator[Publish]:
    """Return what publishes the jobs of a range of numbers, in turn to each key."""
    publisher = broker.publisher("scrape-jobs")

    def publish_all(first: int, last: int) -> None:
        jobs = [Message(str(n).encode(), {}, key_of(n)) for n in range(first, last)]
        for result in publisher.publish_all(jobs):
            assert isinstance(result, str), result

    yield publish_all
    publisher.close()


def key_of(number: int) -> str:
    """Return the ordering key of a job."""
    return f"shop{number % KEYS}.example#0"


@dataclass
class Span:
    """The time in which a push was open; it has not ended while `ended` is None."""

    push: Push
    ended: float | None = None


class Work:
    """The work of the worker on pushes, which takes some time.

    Attributes:
        spans: the pushes by their ordering keys, in the order of their begin.
    """

    def __init__(self) -> None:
        self.spans: dict[str, list[Span]] = defaultdict(list)

    def __call__(self, push: Push) -> int:
        """Work on a push."""
        span = Span(push)
        self.spans[push.ordering_key].append(span)
        time.sleep(PUSH_SECONDS)
        span.ended = time.monotonic()
        return 204

    def overlaps(self, killed: str = "", killed_at: float = 0.0) -> list[tuple[Push, Push]]:
        """Return the pushes of a key that were open at the same time.

        Args:
            killed: the path of a relay that was killed; its pushes that were open then do not count. One that
                it had sent may also reach the endpoint later, even after the other relay's push of the job.
            killed_at: when it was killed, monotonic seconds.
        """

        def is_late(span: Span) -> bool:
            return span.push.path == killed and span.push.began > killed_at

        def is_left_behind(span: Span) -> bool:
            return span.push.path == killed and (span.ended is None or span.ended > killed_at)

        return [
            (earlier.push, later.push)
            for spans in self.spans.values()
            for earlier, later in pairwise(span for span in spans if not is_late(span))
            if not is_left_behind(earlier) and (earlier.ended is None or later.push.began < earlier.ended)
        ]

    def is_in_order(self) -> bool:
        """Return whether the first deliveries of each key came in the order of publishing."""
        numbers = [
            list(dict.fromkeys(int(each.push.data) for each in spans)) for spans in self.spans.values()
        ]
        return all(each == sorted(each) for each in numbers)


def pushed_by(endpoint: WorkerEndpoint, first: int = 0) -> dict[str, int]:
    """Return the number of pushes of jobs from a number on, by the paths of the relays."""
    found = {"/a": 0, "/b": 0}
    for push in list(endpoint.pushes):
        found[push.path] += int(push.data) >= first
    return found


def is_shared(endpoint: WorkerEndpoint, first: int) -> bool:
    """Return whether each of two relays has pushed a fifth of the jobs from a number on, at least."""
    pushed = pushed_by(endpoint, first)
    return 5 * min(pushed.values()) >= sum(pushed.values()) > 0


def publish_until_shared(publish: Publish, endpoint: WorkerEndpoint) -> int:
    """Publish jobs until both relays have delivered a part of the last ones; return the number of all."""
    last = 0

    def is_shared_now() -> bool:
        nonlocal last
        first, last = last, last + 20 * KEYS
        publish(first, last)
        wait_until(lambda: len(endpoint.answered) >= last)
        return is_shared(endpoint, first)

    wait_until(is_shared_now, "each relay delivers a part of the jobs")
    return last


def test_a_second_relay_gets_its_share_and_the_order_is_kept(
    broker: RabbitMqUnderTest, relay: Relay, publish: Publish, endpoint: WorkerEndpoint
) -> None:
    """The first relay hands half of its partitions over while it works, and nothing is delivered twice."""
    endpoint.answer = work = Work()
    with relay("a"), relay("b"):
        jobs = publish_until_shared(publish, endpoint)
        wait_until(broker.is_empty)
    assert len(endpoint.pushes) == jobs
    assert {push.attempt for push in endpoint.pushes} == {1}
    assert work.overlaps() == []
    assert work.is_in_order()


def test_the_partitions_of_a_killed_relay_move_to_the_other_and_the_order_is_kept(
    broker: RabbitMqUnderTest, relay: Relay, publish: Publish, endpoint: WorkerEndpoint
) -> None:
    """Each job is delivered, and no key has an open push of both, but for pushes that a killed relay left."""
    endpoint.answer = work = Work()
    with relay("a") as killed, relay("b") as other:
        first = publish_until_shared(publish, endpoint)
        last = first + 40 * KEYS
        publish(first, last)
        wait_until(lambda: min(pushed_by(endpoint, first).values()) > 0, "both relays deliver")
        killed_at = time.monotonic()
        killed.kill()
        wait_until(lambda: {int(push.data) for push in list(endpoint.answered)} == set(range(last)))
        wait_until(broker.is_empty)
        other.terminate()
    assert broker.is_empty()
    assert work.overlaps(killed="/a", killed_at=killed_at) == []
    assert work.is_in_order()
    assert broker.dead_letters() == []


def test_a_message_of_another_program_is_dead_lettered(broker: RabbitMqUnderTest, relay: Relay) -> None:
    """A message without a routing key comes into a partition, too, and not only into the ledger."""
    broker.publish_foreign(b"not ours")
    with relay("a"):
        [dead] = wait_for(broker.dead_letters, bool)
    assert (dead.data, dead.attributes["reason"]) == (b"not ours", "bad_envelope")


def test_failed_jobs_of_a_key_come_again_in_their_order(
    broker: RabbitMqUnderTest, relay: Relay, publish: Publish, endpoint: WorkerEndpoint
) -> None:
    """The second deliveries of a key come one at a time, in the order of the first ones."""
    failing = {n for n in range(5 * KEYS) if n // KEYS in {1, 3}}  # many failures would pause the relay
    endpoint.answer = lambda push: 503 if push.attempt == 1 and int(push.data) in failing else 204
    publish(0, 5 * KEYS)
    with relay("a"), relay("b"):
        wait_until(lambda: len(endpoint.answered) == 5 * KEYS + len(failing))
        wait_until(broker.is_empty)
    again = [int(push.data) for push in endpoint.pushes if push.attempt == 2]
    assert set(again) == failing
    for key in range(KEYS):
        assert [n for n in again if n % KEYS == key] == [key + KEYS, key + 3 * KEYS]
    assert endpoint.most_open_of_a_key == 1
