"""Time that passes faster, in the same order."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import google.auth.transport.requests
import pytest
import requests
from google.oauth2 import id_token
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, RetryPolicy

import localpubsub
from localpubsub.clock import Clock
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, Response, running_endpoint


def test_a_scaled_clock_begins_now_and_runs_ahead() -> None:
    """The server's time passes N times as fast; the world's is still known, for tokens."""
    clock = Clock(1000)
    began = clock.now()
    time.sleep(0.02)  # the passing of time is what is tested
    assert began - time.time() < 60
    assert clock.now() - began >= 20
    assert abs(clock.wall_time() - time.time()) < 60
    assert 900 < clock.real_seconds_until(clock.now() + 1_000_000) <= 1000


def test_backoffs_and_deadlines_come_sooner_in_the_same_order() -> None:
    """Behaviour 33: 10, 20, 40 s of retries and a deadline of 20 s, at 60 times the speed, in their order."""
    came: list[str] = []

    def answer(push: Push) -> Response:
        data = push.envelope["message"].get("attributes", {})["name"]
        came.append(data)
        return (
            "silence" if data == "silent" and came.count(data) == 1 else 500 if came.count(data) < 4 else 204
        )

    with (
        running_endpoint() as endpoint,
        localpubsub.running(time_scale=60) as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        endpoint.respond = answer
        topic = pubsub.topic()
        retry = RetryPolicy(minimum_backoff=timedelta(seconds=10), maximum_backoff=timedelta(seconds=600))
        push = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=push, retry_policy=retry, ack_deadline_seconds=20)
        pubsub.publish(topic, b"x", name="silent")
        pubsub.publish(topic, b"x", name="refused")
        endpoint.wait_until(lambda: came.count("refused") == 4)
        times = [
            push.at for push in endpoint.pushes if push.envelope["message"]["attributes"]["name"] == "refused"
        ]
    for pause, seconds in zip(
        [after - before for before, after in pairwise(times)], (10, 20, 40), strict=True
    ):
        assert seconds / 60 <= pause < seconds / 2
    # What was refused at once comes again before what was silent for 20 s and waited 10.
    assert came.index("refused", came.index("refused") + 1) < came.index("silent", came.index("silent") + 1)


def test_a_dead_letter_with_long_backoffs_takes_seconds() -> None:
    """Five attempts with 100 s between each, in a test."""
    with localpubsub.running(time_scale=2000) as server, gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        with running_endpoint() as endpoint:
            endpoint.respond = lambda _: 500
            topic, graveyard = pubsub.topic(), pubsub.topic()
            reader = pubsub.subscription(graveyard)
            pubsub.subscription(
                topic,
                push_config=PushConfig(push_endpoint=endpoint.url),
                dead_letter_policy=DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5),
                retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=100)),
                ack_deadline_seconds=600,
            )
            pubsub.publish(topic, b"poison")
            assert len(pubsub.pull(reader)) == 1
            assert len(endpoint.pushes) == 5


def test_tokens_keep_to_the_time_of_the_world() -> None:
    """google-auth, which knows nothing of the scale, verifies a token when the server's hour is long over."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running(time_scale=60_000) as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        oidc = PushConfig.OidcToken(service_account_email="a@b.example", audience="audience")
        push = PushConfig(push_endpoint=endpoint.url, oidc_token=oidc)
        pubsub.subscription(topic, push_config=push, ack_deadline_seconds=600)
        time.sleep(0.1)  # 100 minutes
        pubsub.publish(topic, b"x")
        (pushed,) = endpoint.wait_for(1)
        token = pushed.headers["authorization"].removeprefix("Bearer ")
        with requests.Session() as session:
            request = google.auth.transport.requests.Request(session=session)
            claims = id_token.verify_token(token, request, "audience", server.certs_url)
        published = datetime.fromisoformat(pushed.envelope["message"]["publishTime"])
    assert claims["exp"] - time.time() <= 3600
    assert published > datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), 1e9])
def test_a_scale_that_cannot_be_is_refused(scale: float) -> None:
    """With a sentence."""
    with pytest.raises(localpubsub.CannotStart, match="--time-scale"), localpubsub.running(time_scale=scale):
        pass
