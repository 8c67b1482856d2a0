"""Tests of pushes: body, headers, acks and nacks, window, backoff and deadlines.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import json
import re
import threading
from datetime import timedelta
from itertools import pairwise

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig, RetryPolicy

from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, PushEndpoint, Response
from tests.servers.waiting import MAX_WAIT_SECONDS

USER_AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


def push_to(endpoint: PushEndpoint, path: str = "") -> PushConfig:
    """Return a push config without token."""
    return PushConfig(push_endpoint=endpoint.url + path)


def backoff(minimum: float, maximum: float) -> RetryPolicy:
    """Return a retry policy with these backoffs in seconds."""
    return RetryPolicy(minimum_backoff=timedelta(seconds=minimum), maximum_backoff=timedelta(seconds=maximum))


def test_push_body_is_as_documented(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: the body is as in https://cloud.google.com/pubsub/docs/push#receive_push."""
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


def test_push_data_is_standard_base64(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: base64 has +, / and padding (RFC 4648 section 4), not the URL-safe alphabet."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"\xfb\xff\xfe\xff")
    assert endpoint.wait_for(1)[0].envelope["message"]["data"] == "+//+/w=="


@pytest.mark.emulator_differs("sends attributes as an empty object")
def test_push_body_omits_empty_attributes(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: a message without attributes has no field ``attributes``."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"no attributes")
    message = endpoint.wait_for(1)[0].envelope["message"]
    assert sorted(message) == ["data", "messageId", "message_id", "publishTime", "publish_time"]


@pytest.mark.emulator_differs("sends data as an empty string")
def test_push_body_omits_empty_data(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: a message without data has no field ``data``."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"", no="data")
    message = endpoint.wait_for(1)[0].envelope["message"]
    assert sorted(message) == ["attributes", "messageId", "message_id", "publishTime", "publish_time"]


@pytest.mark.emulator_differs("never sends the ordering key")
def test_push_body_has_the_ordering_key(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: a message with an ordering key has the field ``orderingKey``."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"x", ordering_key="ü-key")])
    assert endpoint.wait_for(1)[0].envelope["message"]["orderingKey"] == "ü-key"


def test_push_request_line_and_headers(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: JSON is sent with POST to the path and query of the endpoint."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint, "/deep?token=1&x=%20"))
    pubsub.publish(topic, b"x")
    (push,) = endpoint.wait_for(1)
    assert push.path == "/push/deep?token=1&x=%20"
    assert push.headers["content-type"] == "application/json"
    assert push.headers["host"] == endpoint.url.split("/")[2]
    assert "authorization" not in push.headers


@pytest.mark.emulator_differs("sends no From header")
def test_push_user_agent_and_from_are_those_of_google(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 11: User-Agent and From are as captured on the real service."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    (push,) = endpoint.wait_for(1)
    assert (push.headers["user-agent"], push.headers["from"]) == (USER_AGENT, "noreply@google.com")


@pytest.mark.emulator_differs("never sends deliveryAttempt")
def test_push_delivery_attempt_counts_with_a_dead_letter_policy(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 11: deliveryAttempt is a top-level field and counts from 1."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 3 else 204
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    pubsub.subscription(topic, push_config=push_to(endpoint), dead_letter_policy=policy)
    pubsub.publish(topic, b"x")
    pushes = endpoint.wait_for(3)
    assert [push.envelope.get("deliveryAttempt") for push in pushes] == [1, 2, 3]
    assert len({push.message_id for push in pushes}) == 1


@pytest.mark.parametrize("code", [102, 200, 201, 202, 204])
def test_push_status_acknowledges(pubsub: PubsubClient, endpoint: PushEndpoint, code: int) -> None:
    """Behaviour 12: 102, 200, 201, 202 and 204 acknowledge the message."""
    endpoint.respond = lambda _: code
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    endpoint.wait_for(1)
    # The push of a second message shows that the response to the first was processed.
    pubsub.publish(topic, b"y")
    endpoint.wait_for(2)
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
    pubsub.publish(topic, b"marker")
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"marker"]
    assert len(endpoint.pushes) == 2


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(203, marks=pytest.mark.emulator_differs("accepts 203 as an ack")),
        *(205, 206, 301, 400, 404, 429, 500, "reset"),
    ],
)
def test_push_with_another_status_is_nacked(
    pubsub: PubsubClient, endpoint: PushEndpoint, response: Response
) -> None:
    """Behaviour 12: any other status, or a connection that breaks, redelivers the message."""
    endpoint.respond = lambda _: response if len(endpoint.pushes) < 2 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    (message_id,) = pubsub.publish(topic, b"x")
    assert [push.message_id for push in endpoint.wait_for(2)] == [message_id, message_id]


def test_push_to_a_refused_connection_is_nacked(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 12: a message that cannot be delivered waits until the subscription has another endpoint."""
    topic = pubsub.topic()
    unreachable = PushConfig(push_endpoint="http://127.0.0.1:9/unreachable")
    subscription = pubsub.subscription(topic, push_config=unreachable)
    (message_id,) = pubsub.publish(topic, b"x")
    pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push_to(endpoint))
    assert endpoint.wait_for(1)[0].message_id == message_id


@pytest.mark.emulator_differs("leaves the first request open after the ack deadline")
def test_message_is_redelivered_after_its_ack_deadline(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviours 13, 21 and 26: after the ack deadline a pushed or pulled message is redelivered.

    Push and pull share a test, because the shortest ack deadline takes ten real seconds.
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
    pushes = endpoint.wait_for(2, MAX_WAIT_SECONDS)
    second = pubsub.pull(pulled)
    assert [push.message_id for push in pushes] == [message_id, message_id]
    assert pushes[1].at - pushes[0].at >= 5  # A nack would be redelivered within a second.
    endpoint.wait_until(lambda: endpoint.closed_early == 1)
    assert (first[0].message, second[0].message.message_id) == (second[0].message, message_id)
    assert pubsub.pull_now(extended) == []


@pytest.mark.emulator_differs("has at most two pushes open")
def test_push_window_opens_many_pushes_at_the_same_time(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 14: the window grows with acks; slow responses do not delay other pushes."""
    topic = pubsub.topic()
    open_pushes: set[str] = set()
    enough = threading.Event()

    def respond(push: Push) -> Response:
        open_pushes.add(push.message_id)
        if len(open_pushes) >= 40:
            enough.set()
        if len(endpoint.pushes) > 100:  # The responses to the first pushes make the window large enough.
            enough.wait(endpoint.timeout)
        open_pushes.discard(push.message_id)
        return 204

    endpoint.respond = respond
    pubsub.subscription(topic, push_config=push_to(endpoint), ack_deadline_seconds=600)
    pubsub.publish(topic, *[b"x"] * 150)
    endpoint.wait_until(enough.is_set)
    endpoint.wait_for(150)


@pytest.mark.emulator_differs("has at most two pushes open")
def test_push_window_grows_although_pushes_take_more_than_a_second(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 14: a latency above one second limits only a window of more than 3,000 pushes.

    https://cloud.google.com/pubsub/docs/push#push_backoff: "If the average latency exceeds one second or the
    subscriber acknowledges less than 99% of requests, the window decreases to the lower limit of 3,000
    outstanding messages."
    """
    topic = pubsub.topic()
    open_pushes: set[str] = set()
    enough = threading.Event()

    def respond(push: Push) -> Response:
        open_pushes.add(push.message_id)
        if len(open_pushes) >= 40:
            enough.set()
        # The responses to the first pushes make the window large enough.
        enough.wait(1.2 if len(endpoint.pushes) <= 60 else endpoint.timeout)
        open_pushes.discard(push.message_id)
        return 204

    endpoint.respond = respond
    pubsub.subscription(topic, push_config=push_to(endpoint), ack_deadline_seconds=600)
    pubsub.publish(topic, *[b"x"] * 120)
    endpoint.wait_until(enough.is_set)
    endpoint.wait_for(120)


# Not strict: the emulator passes or fails depending on which of the two endpoints it serves first.
@pytest.mark.emulator_differs("does not pause", strict=False)
def test_push_backoff_pauses_one_subscription(
    pubsub: PubsubClient, endpoint: PushEndpoint, other_endpoint: PushEndpoint
) -> None:
    """Behaviour 15: pushes to an endpoint that nacks everything pause; other pushes do not."""
    endpoint.respond = lambda _: 503
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.subscription(topic, push_config=push_to(other_endpoint))
    pubsub.publish(topic, *[b"x"] * 40)
    other_endpoint.wait_for(40)
    # Forty first attempts take at least 6 s, because at most five pushes are sent between two pauses.
    assert len({push.message_id for push in endpoint.pushes}) < 40
    nacked = [push.at for push in endpoint.wait_for(20)]
    *_, second_longest, _ = sorted(after - before for before, after in pairwise(nacked))
    assert second_longest >= 0.15


def test_push_retries_follow_the_retry_policy(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 16: the second attempt waits for minimum_backoff, later ones up to maximum_backoff."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 4 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint), retry_policy=backoff(0.5, 1))
    pubsub.publish(topic, b"x")
    times = [push.at for push in endpoint.wait_for(4)]
    first, second, third = (after - before for before, after in pairwise(times))
    assert first >= 0.5
    assert second >= 1.0
    assert third >= 1.0


def test_push_retries_are_quick_without_retry_policy(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 16: five attempts take seconds, as on the real service (2.3 s), not minutes."""
    endpoint.respond = lambda _: 500 if len(endpoint.pushes) < 5 else 204
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=push_to(endpoint))
    pubsub.publish(topic, b"x")
    times = [push.at for push in endpoint.wait_for(5)]
    assert times[-1] - times[0] < 100  # The default retry policy would wait for 10 + 20 + 40 + 80 s.


def test_empty_push_config_stops_pushing_and_keeps_the_backlog(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 19: pushing stops, the backlog stays and can be pulled; an endpoint resumes pushing."""
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
