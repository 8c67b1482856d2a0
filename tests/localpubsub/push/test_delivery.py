"""How pushes are sent: on connections that are kept, with tokens that are reused, slowed for two reasons."""

from datetime import timedelta
from itertools import pairwise

import pytest
from google.pubsub_v1.types import PushConfig, RetryPolicy

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import running_endpoint

SCALE = 5.0  #: seconds of the server for each of the world


def test_a_connection_carries_many_pushes() -> None:
    """Keep-alive: no more connections than pushes were open at once."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running() as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        for sent in range(1, 31):
            pubsub.publish(topic, b"x")
            endpoint.wait_for(sent)
    assert endpoint.connections <= 5


def test_a_token_carries_many_pushes() -> None:
    """Behaviour 17: signed once an hour, and not for every push; another audience has another."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running() as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        for audience in ("one", "other"):
            oidc = PushConfig.OidcToken(service_account_email="a@b.example", audience=audience)
            pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url, oidc_token=oidc))
        pubsub.publish(topic, *[b"x"] * 20)
        pushes = endpoint.wait_for(40)
    assert len({push.headers["authorization"] for push in pushes}) == 2


@pytest.mark.parametrize(
    ("minimum", "expected"),
    [(0, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]), (1.5, [1.5, 3.0, 6.0, 6.0, 6.0, 6.0])],
    ids=["push backoff is longer", "retry policy is longer"],
)
def test_the_longer_of_both_backoffs_decides(minimum: float, expected: list[float]) -> None:
    """Behaviour 16: the maximum, and not the sum, of the subscription's pause and the message's own."""
    policy = RetryPolicy(minimum_backoff=timedelta(seconds=minimum), maximum_backoff=timedelta(seconds=6))
    if not minimum:
        policy.maximum_backoff = timedelta(0)
    with (
        running_endpoint() as endpoint,
        localpubsub.running(time_scale=SCALE) as server,
        gapic_clients(server.host) as clients,
    ):
        endpoint.respond = lambda _: 503
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        push = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=push, retry_policy=policy)
        pubsub.publish(topic, b"x")
        times = [push.at * SCALE for push in endpoint.wait_for(len(expected) + 1)]
    for pause, least in zip([after - before for before, after in pairwise(times)], expected, strict=True):
        assert least * 0.95 <= pause < least + 5  # of the server's seconds: one of a slow machine's
