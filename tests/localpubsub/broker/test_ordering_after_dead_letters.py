"""Tests that a push subscription continues with an ordering key after one of its messages is dead-lettered.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig

from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import PubsubClient, connect, running_localpubsub
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint
from tests.servers.waiting import wait_until

FAST = 100.0  #: Time scale; an ack deadline of 600 s takes six seconds.


def name_of(push: Push) -> str:
    """Return the data of a pushed message."""
    return base64.b64decode(push.envelope["message"]["data"]).decode()


def attempts_on_disk(data: Path) -> int:
    """Return the highest number of delivery attempts of a message, as stored on disk."""
    with closing(sqlite3.connect(data / "pubsub.sqlite")) as database:
        return int(database.execute("SELECT max(attempts) FROM backlog").fetchone()[0])


@contextmanager
def endpoint_that_rejects(
    bad: str, otherwise: Callable[[Push], Response] = lambda _: 204
) -> Iterator[PushEndpoint]:
    """Run an endpoint that nacks each message with this data."""
    with running_endpoint() as endpoint:
        endpoint.respond = lambda push: 500 if name_of(push) == bad else otherwise(push)
        yield endpoint


def subscribe(pubsub: PubsubClient, endpoint: PushEndpoint, **fields: object) -> tuple[str, str, str]:
    """Create an ordered push subscription with a dead-letter policy.

    Returns:
        The topic, the subscription, and a pull subscription of the dead-letter topic.
    """
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(dead_letter_topic, ack_deadline_seconds=600)
    subscription = pubsub.subscription(
        topic,
        push_config=PushConfig(push_endpoint=endpoint.url),
        dead_letter_policy=DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5),
        enable_message_ordering=True,
        ack_deadline_seconds=600,
        **fields,
    )
    return topic, subscription, reader


def publish(pubsub: PubsubClient, topic: str, *names: str) -> None:
    """Publish messages of one ordering key."""
    messages = [PubsubMessage(data=name.encode(), ordering_key="key") for name in names]
    pubsub.publisher.publish(topic=topic, messages=messages)


def test_push_of_an_ordering_key_continues_after_a_dead_letter() -> None:
    """Behaviours 20 and 23: the second message is pushed once the first is a dead letter, and not before."""
    with endpoint_that_rejects("bad") as endpoint, running_localpubsub(time_scale=FAST) as pubsub:
        topic, _, reader = subscribe(pubsub, endpoint)
        publish(pubsub, topic, "bad", "next", "last")
        assert [name_of(push) for push in endpoint.wait_for(7)] == ["bad"] * 5 + ["next", "last"]
        assert [received.message.data for received in pubsub.pull(reader)] == [b"bad"]


def test_every_message_of_an_ordering_key_can_be_dead_lettered() -> None:
    """Behaviours 20 and 23: a key whose messages all fail is never silent, and each gets all its attempts."""
    with endpoint_that_rejects("bad") as endpoint, running_localpubsub(time_scale=FAST) as pubsub:
        topic, _, reader = subscribe(pubsub, endpoint)
        publish(pubsub, topic, "bad", "bad", "bad", "good")
        pushes = endpoint.wait_for(16)
        assert [push.envelope["deliveryAttempt"] for push in pushes] == [1, 2, 3, 4, 5] * 3 + [1]
        assert len(pubsub.pull(reader, 3)) == 3


def test_push_of_an_ordering_key_continues_after_a_restart(tmp_path: Path) -> None:
    """Behaviours 20, 23 and 31: after SIGKILL during the last attempt of a message, the next one is pushed.

    The restarted server dead-letters the message while it reads its data. A second SIGKILL during the push
    of the next message does not silence the key either.
    """
    data = ("--data", str(tmp_path), "--time-scale", str(FAST))
    with running_endpoint() as endpoint:

        def respond(push: Push) -> Response:
            silent = len(endpoint.pushes) in {5, 6}  # the last attempt of "bad", and the first of "next"
            return "silence" if silent else 500 if name_of(push) == "bad" else 204

        endpoint.respond = respond
        with running_process(*data) as server, connect(server.host) as pubsub:
            topic, _, reader = subscribe(pubsub, endpoint)
            publish(pubsub, topic, "bad", "next", "last")
            endpoint.wait_for(5)
            wait_until(lambda: attempts_on_disk(tmp_path) == 5)
            server.kill()
        with running_process(*data) as server:
            endpoint.wait_for(6)
            server.kill()
        with running_process(*data) as server, connect(server.host) as pubsub:
            assert [name_of(push) for push in endpoint.wait_for(8)] == ["bad"] * 5 + ["next"] * 2 + ["last"]
            assert [received.message.data for received in pubsub.pull(reader)] == [b"bad"]


def test_push_of_an_ordering_key_continues_after_a_seek() -> None:
    """Behaviours 20, 23 and 28: after a seek to the time before the messages, the key starts again in order.

    The message that was dead-lettered is delivered and dead-lettered once more, and the next one is pushed.
    """
    with endpoint_that_rejects("bad") as endpoint, running_localpubsub(time_scale=FAST) as pubsub:
        topic, subscription, reader = subscribe(pubsub, endpoint, retain_acked_messages=True)
        publish(pubsub, topic, "bad", "next")
        endpoint.wait_for(6)
        pubsub.pull(reader)
        pubsub.subscriber.seek({"subscription": subscription, "time": datetime.now(UTC) - timedelta(days=1)})
        names = [name_of(push) for push in endpoint.wait_for(12)]
        assert names[6:] == ["bad"] * 5 + ["next"]


def test_push_of_an_ordering_key_continues_after_a_seek_between_attempts() -> None:
    """Behaviours 20, 23 and 28: a seek while a message is outstanding does not silence its key."""
    with running_endpoint() as endpoint, running_localpubsub(time_scale=FAST) as pubsub:

        def respond(push: Push) -> Response:
            silent = len(endpoint.pushes) == 3  # the push that is open during the seek
            return "silence" if silent else 500 if name_of(push) == "bad" else 204

        endpoint.respond = respond
        topic, subscription, reader = subscribe(pubsub, endpoint)
        publish(pubsub, topic, "bad", "next")
        endpoint.wait_for(3)
        pubsub.subscriber.seek({"subscription": subscription, "time": datetime.now(UTC) - timedelta(days=1)})
        endpoint.wait_until(lambda: name_of(endpoint.pushes[-1]) == "next")
        names = [name_of(push) for push in endpoint.pushes]
        assert names.count("next") == 1
        assert [received.message.data for received in pubsub.pull(reader)] == [b"bad"]
