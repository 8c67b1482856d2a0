"""Tests each fault of the fault injection, and that faults lose no messages.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import base64
import json
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig

import localpubsub
from localpubsub.broker.chaos import Chaos, ChaosOptions
from localpubsub.testing import PubsubServer
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import Push, Response, running_endpoint
from tests.servers.waiting import wait_until

FAST = 60.0  #: Time scale; an ack deadline of 600 s takes ten seconds.
DEADLINE = 600  #: The longest ack deadline, in seconds, so that a test acknowledges before it on any machine.


@contextmanager
def running_with_chaos(chaos: str, data: Path | None = None) -> Iterator[PubsubClient]:
    """Run a server that injects faults until the block ends; yield a client of it."""
    data_option = {"data": data} if data else {}
    with running_localpubsub(chaos=chaos, time_scale=FAST, **data_option) as client:
        yield client


def advance(pubsub: PubsubClient, seconds: float) -> None:
    """Let time pass on the server's clock."""
    PubsubServer(pubsub.server.host, pubsub.server.http_url).advance(seconds)


def metrics(pubsub: PubsubClient) -> str:
    """Return the metrics."""
    with urllib.request.urlopen(f"{pubsub.server.http_url}/metrics") as response:  # noqa: S310 - the test's own server
        text: str = response.read().decode()
    return text


def subscription_state(pubsub: PubsubClient, subscription: str) -> dict[str, int]:
    """Return the state of a subscription, as on the state page."""
    with urllib.request.urlopen(f"{pubsub.server.http_url}/state.json") as response:  # noqa: S310 - the test's own server
        (found,) = (each for each in json.load(response)["subscriptions"] if each["name"] == subscription)
    state: dict[str, int] = found
    return state


def test_chaos_options_are_parsed() -> None:
    """Behaviour 34: ChaosOptions.parse reads every fault, with its unit, and the seed."""
    text = "duplicate=0.05,drop_ack=0.02,late_ack=0.03,delay=200ms,early_dead_letter=0.01,seed=7"
    assert ChaosOptions.parse(text) == ChaosOptions(
        duplicate=0.05, drop_ack=0.02, late_ack=0.03, delay=0.2, early_dead_letter=0.01, seed=7
    )
    assert ChaosOptions.parse("delay=1.5s").delay == 1.5


@pytest.mark.parametrize(
    "text",
    ["lose=1", "duplicate", "duplicate=2", "drop_ack=often", "delay=5", "delay=x", "seed=-1", "seed=a"],
)
def test_invalid_chaos_options_raise_cannot_start(text: str) -> None:
    """The error for invalid chaos options names the option --chaos."""
    with pytest.raises(localpubsub.CannotStart, match="--chaos"):
        ChaosOptions.parse(text)


def test_chaos_seed_repeats_the_faults_of_each_subscription() -> None:
    """Behaviour 34: with the same seed, the same events of a subscription get the same faults."""

    def injected(seed: int, *, with_others: bool = False) -> list[bool]:
        chaos = Chaos(ChaosOptions(duplicate=0.2, drop_ack=0.5, seed=seed))
        faults = []
        for _ in range(500):
            faults.append(chaos.injects("duplicate", "one"))
            if with_others:
                chaos.injects("duplicate", "other")
                chaos.injects("drop_ack", "one")
        assert chaos.counts["duplicate"] >= sum(faults)
        return faults

    assert injected(7) == injected(7) == injected(7, with_others=True) != injected(8)
    assert 60 < sum(injected(7)) < 140


def test_chaos_duplicate_redelivers_after_the_ack() -> None:
    """Behaviour 34: with duplicate=1 an acknowledged message is delivered again after every ack."""
    with running_with_chaos("duplicate=1") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        (message_id,) = pubsub.publish(topic, b"x")
        for _ in range(3):
            received = pubsub.pull(subscription)
            assert received[0].message.message_id == message_id
            pubsub.ack(subscription, received)


def test_chaos_drop_ack_redelivers_after_the_ack_deadline() -> None:
    """Behaviour 34: with drop_ack=1 the message stays outstanding until its ack deadline has passed."""
    with running_with_chaos("drop_ack=1") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=DEADLINE)
        pubsub.publish(topic, b"x")
        received = pubsub.pull(subscription)
        pubsub.ack(subscription, received)
        assert pubsub.pull_now(subscription) == []
        advance(pubsub, DEADLINE)
        (again,) = pubsub.pull(subscription)
        assert again.message == received[0].message


def test_chaos_late_ack_counts_after_the_next_delivery() -> None:
    """Behaviour 34: with late_ack=1 a message is redelivered after its deadline, and is gone after a nack."""
    with running_with_chaos("late_ack=1") as pubsub:
        topic = pubsub.topic()
        policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
        subscription = pubsub.subscription(topic, ack_deadline_seconds=DEADLINE, dead_letter_policy=policy)
        pubsub.publish(topic, b"x")
        received = pubsub.pull(subscription)
        pubsub.ack(subscription, received)
        assert pubsub.pull_now(subscription) == []
        advance(pubsub, DEADLINE)
        again = pubsub.pull(subscription)
        assert [each.delivery_attempt for each in received + again] == [1, 2]
        pubsub.nack(subscription, again)
        assert subscription_state(pubsub, subscription)["backlog"] == 0


@pytest.mark.parametrize("second", [204, 503])
def test_chaos_late_ack_of_a_push_counts_after_the_next_push(second: int) -> None:
    """Behaviour 34: with late_ack=1 a message is pushed twice, and is then gone, even if the second fails."""
    with running_endpoint() as endpoint, running_with_chaos("late_ack=1") as pubsub:
        endpoint.respond = lambda _: 204 if len(endpoint.pushes) == 1 else second
        topic = pubsub.topic()
        policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
        push = PushConfig(push_endpoint=endpoint.url)
        subscription = pubsub.subscription(
            topic, push_config=push, dead_letter_policy=policy, ack_deadline_seconds=DEADLINE
        )
        pubsub.publish(topic, b"x")
        wait_until(lambda: 'status="204"} 1\n' in metrics(pubsub), "the response was processed")
        advance(pubsub, DEADLINE)
        wait_until(lambda: subscription_state(pubsub, subscription)["backlog"] == 0)
        assert [each.envelope["deliveryAttempt"] for each in endpoint.pushes] == [1, 2]


@pytest.mark.parametrize("chaos", ["duplicate=0.3", "drop_ack=0.2", "late_ack=0.2", ""])
def test_chaos_keeps_ordering_keys(chaos: str) -> None:
    """Behaviours 23 and 34: with faults and nacks, a key never has two open pushes, and stays in order."""
    keys, numbers = "abcde", "12345"
    open_keys: Counter[str] = Counter()
    first_pushes: defaultdict[str, list[str]] = defaultdict(list)
    overlapping: set[str] = set()
    nacked: set[str] = set()
    lock = threading.Lock()

    def respond(push: Push) -> Response:
        name = base64.b64decode(push.envelope["message"]["data"]).decode()
        key = push.envelope["message"].get("orderingKey", "")
        with lock:
            open_keys[key] += 1
            if key and open_keys[key] > 1:
                overlapping.add(key)
            if name not in first_pushes[key]:
                first_pushes[key].append(name)
            fails = name[-1] == "2" and name not in nacked
            nacked.add(name)
        time.sleep(0.005)  # so that two pushes of one key would overlap
        with lock:
            open_keys[key] -= 1
        return 503 if fails else 204

    options = {"chaos": chaos, "time_scale": 100.0}
    with running_endpoint() as endpoint, running_localpubsub(**options) as pubsub:
        endpoint.respond = respond
        topic = pubsub.topic()
        push = PushConfig(push_endpoint=endpoint.url)
        subscription = pubsub.subscription(
            topic, push_config=push, ack_deadline_seconds=300, enable_message_ordering=True
        )
        for key in keys:
            messages = [PubsubMessage(data=(key + each).encode(), ordering_key=key) for each in numbers]
            pubsub.publisher.publish(topic=topic, messages=messages)
        pubsub.publish(topic, *[b"%d" % number for number in range(30)])
        wait_until(lambda: subscription_state(pubsub, subscription)["backlog"] == 0)
    assert overlapping == set()
    assert {key: first_pushes[key] for key in keys} == {key: [key + each for each in numbers] for key in keys}
    assert len(first_pushes[""]) == 30


def test_chaos_delay_postpones_the_first_delivery() -> None:
    """Behaviour 34: with delay=600s, messages are confirmed immediately and delivered later, in order."""
    with running_with_chaos("delay=600s") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        ids = pubsub.publish(topic, b"1", b"2") + pubsub.publish(topic, b"3")
        assert pubsub.pull_now(subscription) == []
        advance(pubsub, 600)
        assert [received.message.message_id for received in pubsub.pull(subscription, 3)] == ids


def test_chaos_early_dead_letter_ends_at_the_first_nack() -> None:
    """Behaviour 34: with early_dead_letter=1 and a dead-letter policy, the first nack dead-letters."""
    with running_with_chaos("early_dead_letter=1") as pubsub:
        topic, dead_letters = pubsub.topic(), pubsub.topic()
        reader = pubsub.subscription(dead_letters)
        policy = DeadLetterPolicy(dead_letter_topic=dead_letters, max_delivery_attempts=5)
        failing = pubsub.subscription(topic, dead_letter_policy=policy, ack_deadline_seconds=DEADLINE)
        other = pubsub.subscription(topic, ack_deadline_seconds=DEADLINE)
        pubsub.publish(topic, b"x")
        for subscription in (failing, other):
            pubsub.nack(subscription, pubsub.pull(subscription))
        (dead_letter,) = pubsub.pull(reader)
        assert dead_letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "1"
        assert len(pubsub.pull(other)) == 1


def test_chaos_with_all_faults_loses_no_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Behaviour 34: every confirmed message is acknowledged or dead-lettered, even with a restart."""
    all_faults = "duplicate=0.1,drop_ack=0.1,late_ack=0.1,delay=200ms,early_dead_letter=0.1,seed=7"
    caplog.set_level("INFO", logger="localpubsub.broker.chaos")
    acknowledged: set[str] = set()

    def respond(push: Push) -> Response:
        if int(push.message_id) % 5 == len(endpoint.pushes) % 5:
            return 500
        acknowledged.add(push.envelope["message"]["data"])
        return 204

    with running_endpoint() as endpoint, running_endpoint() as dead:
        endpoint.respond = respond
        with running_with_chaos(all_faults, tmp_path) as pubsub:
            topic, dead_letters = pubsub.topic(), pubsub.topic()
            pubsub.subscription(dead_letters, push_config=PushConfig(push_endpoint=dead.url))
            policy = DeadLetterPolicy(dead_letter_topic=dead_letters, max_delivery_attempts=100)
            push = PushConfig(push_endpoint=endpoint.url)
            pubsub.subscription(topic, push_config=push, dead_letter_policy=policy)
            for start in range(0, 300, 50):
                pubsub.publish(topic, *[b"%d" % number for number in range(start, start + 50)])
        with running_with_chaos(all_faults, tmp_path):
            wait_until(
                lambda: len(acknowledged | {each.envelope["message"]["data"] for each in dead.pushes}) >= 300,
                "every message is acknowledged or a dead letter",
            )
    records = [record.message for record in caplog.records if record.name == "localpubsub.broker.chaos"]
    faults = {message.split()[1] for message in records}
    assert faults == {"fault=duplicate", "fault=drop_ack", "fault=late_ack", "fault=early_dead_letter"}
    assert records[-1].rpartition("count=")[2].isdigit()
