"""Pushing: body, headers, acks and nacks, backoff, deadlines, tokens."""

import json
import re
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig, RetryPolicy

from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, PushEndpoint, Response

USER_AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


def push_to(endpoint: PushEndpoint, path: str = "") -> PushConfig:
    """A push config without token."""
    return PushConfig(push_endpoint=endpoint.url + path)


def backoff(minimum: float, maximum: float) -> RetryPolicy:
    """A retry policy, in seconds."""
    return RetryPolicy(minimum_backoff=timedelta(seconds=minimum), maximum_backoff=timedelta(seconds=maximum))


def test_the_body_is_as_documented(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: https://cloud.google.com/pubsub/docs/push#receive_push, written out by hand."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=push_to(endpoint))
    attributes = {"key": "value", "quote": '"\\\n\u2028ü'}
    (message_id,) = pubsub.publish(topic, b"Hello Cloud Pub/Sub! Here is my message!", **attributes)
    (push,) = endpoint.wait_for(1)
    sent = push.envelope["message"]["publishTime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z", sent)
    assert push.envelope == {
        "message": {
            "attributes": {"key": "value", "quote": '"\\\n\u2028ü'},
            "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
            "messageId": message_id,
            "message_id": message_id,
            "publishTime": sent,
            "publish_time": sent,
        },
        "subscription": subscription,
    }


def test_data_is_standard_base64(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: with + and / and padding (RFC 4648 section 4), not the URL-safe alphabet."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"\xfb\xff\xfe\xff")
    assert endpoint.wait_for(1)[0].envelope["message"]["data"] == "+//+/w=="


@pytest.mark.differs("sends an empty object")
def test_what_is_empty_is_absent(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: no attributes field without attributes."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"no attributes")
    message = endpoint.wait_for(1)[0].envelope["message"]
    assert sorted(message) == ["data", "messageId", "message_id", "publishTime", "publish_time"]


@pytest.mark.differs("sends an empty string")
def test_no_data_is_absent_too(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: no data field without data."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"", no="data")
    message = endpoint.wait_for(1)[0].envelope["message"]
    assert sorted(message) == ["attributes", "messageId", "message_id", "publishTime", "publish_time"]


@pytest.mark.differs("never sends it")
def test_the_ordering_key_is_sent(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: orderingKey for keyed messages."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"x", ordering_key="ü-key")])
    assert endpoint.wait_for(1)[0].envelope["message"]["orderingKey"] == "ü-key"


def test_the_headers_are_pubsubs(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: POST of JSON to the path and query of the endpoint."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint, "/deep?token=1&x=%20"))
    pubsub.publish(topic, b"x")
    (push,) = endpoint.wait_for(1)
    assert push.path == "/push/deep?token=1&x=%20"
    assert push.headers["content-type"] == "application/json"
    assert push.headers["host"] == endpoint.url.split("/")[2]
    assert "authorization" not in push.headers


@pytest.mark.differs("sends no From")
def test_the_sender_looks_like_google(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: User-Agent and From, as captured on the real service."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    (push,) = endpoint.wait_for(1)
    assert (push.headers["user-agent"], push.headers["from"]) == (USER_AGENT, "noreply@google.com")


@pytest.mark.differs("never sends deliveryAttempt")
def test_attempts_are_told_with_a_dead_letter_policy(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: deliveryAttempt is top level, and counts from 1."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 3 else 204
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    pubsub.subscription(topic, push_config=push_to(endpoint), dead_letter_policy=policy)
    pubsub.publish(topic, b"x")
    pushes = endpoint.wait_for(3)
    assert [push.envelope.get("deliveryAttempt") for push in pushes] == [1, 2, 3]
    assert len({push.message_id for push in pushes}) == 1


@pytest.mark.parametrize("code", [102, 200, 201, 202, 204])
def test_five_codes_acknowledge(pubsub: PubsubClient, endpoint: PushEndpoint, code: int) -> None:
    """Behaviour 12: 102, 200, 201, 202 and 204 acknowledge: the message is gone."""
    endpoint.respond = lambda _: code
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    endpoint.wait_for(1)
    # A second message, once answered, shows that the first answer has been heard.
    pubsub.publish(topic, b"y")
    endpoint.wait_for(2)
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
    pubsub.publish(topic, b"marker")
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"marker"]
    assert len(endpoint.pushes) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(203, marks=pytest.mark.differs("takes 203 for an ack")),
        *(205, 206, 301, 400, 404, 429, 500, "reset"),
    ],
)
def test_everything_else_is_a_nack(pubsub: PubsubClient, endpoint: PushEndpoint, answer: Response) -> None:
    """Behaviour 12: any other code, and a connection that breaks, delivers the message again."""
    endpoint.respond = lambda _: answer if len(endpoint.pushes) < 2 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    (message_id,) = pubsub.publish(topic, b"x")
    assert [push.message_id for push in endpoint.wait_for(2)] == [message_id, message_id]


def test_a_refused_connection_is_a_nack(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 12: what cannot be delivered waits until it can."""
    topic = pubsub.topic()
    nobody = PushConfig(push_endpoint="http://127.0.0.1:9/nobody")
    subscription = pubsub.subscription(topic, push_config=nobody)
    (message_id,) = pubsub.publish(topic, b"x")
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push_to(endpoint))
    assert endpoint.wait_for(1)[0].message_id == message_id


@pytest.mark.differs("leaves the old request open")
def test_a_deadline_that_passes_redelivers(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviours 13, 21 and 26: silence for the ack deadline ends a push, and a lease, as a nack does.

    Both in one test, for the shortest deadline there is takes ten real seconds.
    """
    endpoint.respond = lambda _: "silence" if len(endpoint.pushes) < 2 else 204
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    pulled = pubsub.subscription(topic, ack_deadline_seconds=10, dead_letter_policy=policy)
    extended = pubsub.subscription(topic, ack_deadline_seconds=10)
    pubsub.subscription(topic, push_config=push_to(endpoint), ack_deadline_seconds=10)
    (message_id,) = pubsub.publish(topic, b"x")
    first, held = pubsub.pull(pulled), pubsub.pull(extended)
    pubsub.subscriber.modify_ack_deadline(
        subscription=extended, ack_ids=[held[0].ack_id], ack_deadline_seconds=60
    )
    pushes = endpoint.wait_for(2, timeout=20)
    second = pubsub.pull(pulled)
    assert [push.message_id for push in pushes] == [message_id, message_id]
    assert 9.5 <= pushes[1].at - pushes[0].at <= 14
    endpoint.wait_until(lambda: endpoint.closed_early == 1)
    assert (first[0].message, second[0].message.message_id) == (second[0].message, message_id)
    assert pubsub.pull_now(extended) == []


@pytest.mark.differs("pushes two at a time")
def test_many_pushes_are_open_at_once(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 14: the window grows with success; slow answers do not stop other pushes."""
    topic = pubsub.topic()
    most = 0
    open_now: set[str] = set()

    def slowly(push: Push) -> Response:
        nonlocal most
        open_now.add(push.message_id)
        most = max(most, len(open_now))
        time.sleep(0.1)  # what a slow endpoint does
        open_now.discard(push.message_id)
        return 204

    endpoint.respond = slowly
    pubsub.publish(topic, b"to nobody")
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, *[b"x"] * 150)
    endpoint.wait_for(150)
    assert most >= 40


@pytest.mark.differs("pauses nothing")
def test_a_burst_of_refusals_pauses_one_subscription(
    pubsub: PubsubClient, endpoint: PushEndpoint, other_endpoint: PushEndpoint
) -> None:
    """Behaviour 15: an endpoint that refuses everything is slowed; another subscription's is not."""
    endpoint.respond = lambda _: 503
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.subscription(topic, push_config=push_to(other_endpoint))
    began = time.monotonic()
    pubsub.publish(topic, *[b"x"] * 40)
    served = other_endpoint.wait_for(40)[-1].at - began
    refused = [push.at for push in endpoint.wait_for(20)]
    *_, second, longest = sorted(after - before for before, after in pairwise(refused))
    assert second >= 0.15  # not once, as where the machine halts
    assert longest > served / 2


def test_retries_keep_to_their_policy(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 16: the second attempt comes minimum_backoff after the nack, then up to the maximum."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 4 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint), retry_policy=backoff(0.5, 1))
    pubsub.publish(topic, b"x")
    times = [push.at for push in endpoint.wait_for(4)]
    first, second, third = (after - before for before, after in pairwise(times))
    assert 0.5 <= first <= 1.9
    assert 1.0 <= second <= 4
    assert 1.0 <= third <= 4


def test_without_a_policy_retries_are_quick(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 16: five failing attempts were over in 2.3 s on the real service."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 5 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    times = [push.at for push in endpoint.wait_for(5)]
    assert times[-1] - times[0] <= 5


def test_an_empty_push_config_pauses(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 19: pushes stop, the backlog stays and can be pulled; an endpoint resumes."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"pushed")
    endpoint.wait_for(1)
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
    pubsub.publish(topic, b"pulled", b"left")
    received = pubsub.pull(subscription, 2)
    pubsub.ack(subscription, [each for each in received if each.message.data == b"pulled"])
    pubsub.nack(subscription, [each for each in received if each.message.data == b"left"])
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push_to(endpoint))
    again = endpoint.wait_for(2)[1]
    assert json.loads(again.body)["message"]["data"] == "bGVmdA=="
