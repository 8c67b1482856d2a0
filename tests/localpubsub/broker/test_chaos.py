"""What goes wrong when it is asked to, and what may not go wrong even then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig

import localpubsub
from localpubsub.broker.chaos import Chaos, ChaosOptions
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, Response, running_endpoint

FAST = 60.0  #: time scale: a deadline of ten seconds takes a sixth of one


@contextmanager
def chaotic(chaos: str, data: Path | None = None) -> Iterator[PubsubClient]:
    """A server on which things go wrong."""
    where = {"data": data} if data else {}
    with (
        localpubsub.running(chaos=chaos, time_scale=FAST, **where) as server,
        gapic_clients(server.host) as clients,
    ):
        yield PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)


def test_the_command_lines_form_is_read() -> None:
    """Behaviour 34: every switch, with its unit."""
    text = "duplicate=0.05,drop_ack=0.02,delay=200ms,early_dead_letter=0.01,seed=7"
    assert ChaosOptions.parse(text) == ChaosOptions(
        duplicate=0.05, drop_ack=0.02, delay=0.2, early_dead_letter=0.01, seed=7
    )
    assert ChaosOptions.parse("delay=1.5s").delay == 1.5


@pytest.mark.parametrize(
    "text",
    ["lose=1", "duplicate", "duplicate=2", "drop_ack=often", "delay=5", "delay=x", "seed=-1", "seed=a"],
)
def test_what_is_no_switch_is_refused(text: str) -> None:
    """With a sentence that says what it should be."""
    with pytest.raises(localpubsub.CannotStart, match="--chaos"):
        ChaosOptions.parse(text)


def test_a_seed_decides_and_subscriptions_do_not_disturb_each_other() -> None:
    """Behaviour 34: the same events fail in the same places, whatever happens elsewhere meanwhile."""

    def struck(seed: int, *, beside: bool = False) -> list[bool]:
        chaos = Chaos(ChaosOptions(duplicate=0.2, drop_ack=0.5, seed=seed))
        found = []
        for _ in range(500):
            found.append(chaos.injects("duplicate", "one"))
            if beside:
                chaos.injects("duplicate", "other")
                chaos.injects("drop_ack", "one")
        assert chaos.counts["duplicate"] >= sum(found)
        return found

    assert struck(7) == struck(7) == struck(7, beside=True) != struck(8)
    assert 60 < sum(struck(7)) < 140


def test_a_duplicate_is_delivered_again_after_its_ack() -> None:
    """Behaviour 34: duplicate=1, an acknowledged message comes again, as the same attempt, and goes on to."""
    with chaotic("duplicate=1") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        (message_id,) = pubsub.publish(topic, b"x")
        for _ in range(3):
            received = pubsub.pull(subscription)
            assert received[0].message.message_id == message_id
            pubsub.ack(subscription, received)


def test_a_dropped_ack_is_not_heard() -> None:
    """Behaviour 34: drop_ack=1, the message stays leased, and comes again once its deadline has passed."""
    with chaotic("drop_ack=1") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=60)
        pubsub.publish(topic, b"x")
        received = pubsub.pull(subscription)
        pubsub.ack(subscription, received)
        assert pubsub.pull_now(subscription) == []
        (again,) = pubsub.pull(subscription)
        assert again.message == received[0].message


def test_a_delay_comes_before_the_first_delivery() -> None:
    """Behaviour 34: delay=30s of the server's, confirmed at once, delivered later, in order."""
    with chaotic("delay=30s") as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        ids = pubsub.publish(topic, b"1", b"2") + pubsub.publish(topic, b"3")
        assert pubsub.pull_now(subscription) == []
        assert [received.message.message_id for received in pubsub.pull(subscription, 3)] == ids


def test_an_early_dead_letter_comes_before_its_time() -> None:
    """Behaviour 34: early_dead_letter=1, a first nack is taken for the last; never without a policy."""
    with chaotic("early_dead_letter=1") as pubsub:
        topic, graveyard = pubsub.topic(), pubsub.topic()
        reader = pubsub.subscription(graveyard)
        policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
        failing = pubsub.subscription(topic, dead_letter_policy=policy)
        patient = pubsub.subscription(topic)
        pubsub.publish(topic, b"x")
        for subscription in (failing, patient):
            pubsub.nack(subscription, pubsub.pull(subscription))
        (letter,) = pubsub.pull(reader)
        assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "1"
        assert len(pubsub.pull(patient)) == 1


def test_with_everything_on_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Behaviour 34: every confirmed message is acknowledged in the end or a dead letter, over a restart."""
    everything = "duplicate=0.1,drop_ack=0.1,delay=200ms,early_dead_letter=0.1,seed=7"
    caplog.set_level("INFO", logger="localpubsub.broker.chaos")
    ended: set[str] = set()

    def answer(push: Push) -> Response:
        if int(push.message_id) % 5 == len(endpoint.pushes) % 5:
            return 500
        ended.add(push.envelope["message"]["data"])
        return 204

    with running_endpoint() as endpoint, running_endpoint() as graves:
        endpoint.respond = answer
        with chaotic(everything, tmp_path) as pubsub:
            topic, graveyard = pubsub.topic(), pubsub.topic()
            pubsub.subscription(graveyard, push_config=PushConfig(push_endpoint=graves.url))
            policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=100)
            push = PushConfig(push_endpoint=endpoint.url)
            pubsub.subscription(topic, push_config=push, dead_letter_policy=policy)
            for start in range(0, 300, 50):
                pubsub.publish(topic, *[b"%d" % number for number in range(start, start + 50)])
        with chaotic(everything, tmp_path):
            until = time.monotonic() + 120
            while len(ended | {push.envelope["message"]["data"] for push in graves.pushes}) < 300:
                assert time.monotonic() < until
                time.sleep(0.02)  # two endpoints, and neither announces what the other was sent
    records = [record.message for record in caplog.records if record.name == "localpubsub.broker.chaos"]
    switches = {message.split()[1] for message in records}
    assert switches == {"fault=duplicate", "fault=drop_ack", "fault=early_dead_letter"}
    assert records[-1].rpartition("count=")[2].isdigit()
