"""Tests the clock: its jumps, and the time scale, with which deadlines end sooner, in the same order.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import base64
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import google.auth.transport.requests
import pytest
import requests
from google.oauth2 import id_token
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, RetryPolicy
from hypothesis import given
from hypothesis import strategies as st

import localpubsub
from localpubsub.clock import MIN_JUMP, Clock
from tests.localpubsub.set_clock import START, SetClock
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, Response, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def test_scaled_clock_starts_at_the_current_time_and_runs_faster() -> None:
    """A clock with scale 1000 starts now and runs 1000 times as fast, but its wall_time() does not."""
    clock = Clock(1000)
    started = clock.now()
    time.sleep(0.02)  # 20 s of the server's time
    assert started - time.time() < 60
    assert clock.now() - started >= 20
    assert abs(clock.wall_time() - time.time()) < 60
    assert 900 < clock.real_seconds_until(clock.now() + 1_000_000) <= 1000


def test_clock_follows_the_wall_clock_after_a_suspension(caplog: pytest.LogCaptureFixture) -> None:
    """After an hour in which the monotonic clock stood still, the clock shows the right time, and logs it."""
    clock = SetClock()
    clock.pass_by(10)
    assert clock.now() == pytest.approx(START + 10)
    clock.suspend(3600)
    assert clock.now() == pytest.approx(START + 3610.2)
    clock.pass_by(10)
    assert clock.now() == pytest.approx(START + 3620.2)
    assert [record.getMessage() for record in caplog.records] == [
        "clock_jumped seconds=3600: leases and retention move with it"
    ]


def test_clock_continues_when_the_wall_clock_is_set_back(caplog: pytest.LogCaptureFixture) -> None:
    """A wall clock that is set back does not change the clock, nor does its return."""
    clock = SetClock()
    clock.set_back(3600)
    assert clock.now() == pytest.approx(START + 0.2)
    clock.set_back(-3600)
    assert clock.now() == pytest.approx(START + 0.4)
    clock.suspend(60)
    assert clock.now() == pytest.approx(START + 60.6)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "clock_set_back seconds=3600",
        "clock_jumped seconds=60",
    ]


def test_clock_does_not_take_an_interrupted_reading_for_a_jump() -> None:
    """If the process is stopped between the readings of both clocks, the clock does not jump."""
    clock = SetClock()
    clock.pass_by(1)

    def interrupted() -> float:
        clock.pass_by(5)
        return clock.wall

    clock._wall = interrupted  # noqa: SLF001 - only the wall clock is interrupted
    assert clock.now() == pytest.approx(START + 1)
    clock._wall = lambda: clock.wall  # noqa: SLF001 - as before
    clock.pass_by(1)
    assert clock.now() == pytest.approx(START + 7)


_steps = st.lists(st.tuples(st.sampled_from(["pass_by", "suspend", "set_back"]), st.floats(0, 1e6)))


@given(_steps)
def test_clock_never_runs_backwards_nor_stays_behind_the_wall_clock(steps: list[tuple[str, float]]) -> None:
    """Whatever the clocks do, the time rises, and it is at most a small jump behind the wall clock."""
    clock = SetClock()
    before = clock.now()
    highest = clock.wall
    for name, seconds in steps:
        getattr(clock, name)(seconds)
        clock.pass_by(0.2)
        now = clock.now()
        highest = max(highest, clock.wall)
        assert now >= before
        assert now >= clock.wall - MIN_JUMP - 1e-3
        before = now


def test_advance_turns_the_scaled_clock_forward_and_not_back() -> None:
    """advance() moves the server's time by unscaled seconds, also past later jumps; it cannot go back."""
    clock = SetClock(scale=60)
    clock.advance(600)
    assert clock.now() == START + 600
    clock.pass_by(1)
    assert clock.now() == START + 660
    clock.suspend(10)
    assert clock.now() == pytest.approx(START + 660 + 60 * 10.2)
    assert clock.wall_time() == pytest.approx(START + 11.2)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)


def data_of(push: Push) -> str:
    """Return the data of a push."""
    return base64.b64decode(push.envelope["message"]["data"]).decode()


def test_time_scale_shortens_backoffs_and_ack_deadlines_in_order() -> None:
    """Behaviour 33: time scale 60 shortens backoffs of 10, 20 and 40 s and an ack deadline of 120 s."""
    received: list[str] = []

    def respond(push: Push) -> Response:
        data = data_of(push)
        received.append(data)
        return (
            "silence"
            if data == "silent" and received.count(data) == 1
            else 500
            if received.count(data) < 4
            else 204
        )

    with (
        running_endpoint() as endpoint,
        localpubsub.running(time_scale=60) as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        endpoint.respond = respond
        topic = pubsub.topic()
        retry = RetryPolicy(minimum_backoff=timedelta(seconds=10), maximum_backoff=timedelta(seconds=600))
        push = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=push, retry_policy=retry, ack_deadline_seconds=120)
        pubsub.publish(topic, b"silent", b"nacked")
        endpoint.wait_until(lambda: received.count("nacked") == 4 and received.count("silent") == 2)
        times = [push.at for push in endpoint.pushes if data_of(push) == "nacked"]
    for pause, seconds in zip(
        [after - before for before, after in pairwise(times)], (10, 20, 40), strict=True
    ):
        assert seconds / 60 <= pause < seconds / 2
    # The message that was nacked immediately is redelivered before the message that expired after 120 s.
    assert received.index("nacked", received.index("nacked") + 1) < received.index(
        "silent", received.index("silent") + 1
    )


def test_time_scale_shortens_dead_lettering_with_long_backoffs() -> None:
    """With a time scale of 2000, five attempts with backoffs of 100 s or more end within seconds."""
    with localpubsub.running(time_scale=2000) as server, gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        with running_endpoint() as endpoint:
            endpoint.respond = lambda _: 500
            topic, dead_letters = pubsub.topic(), pubsub.topic()
            reader = pubsub.subscription(dead_letters)
            pubsub.subscription(
                topic,
                push_config=PushConfig(push_endpoint=endpoint.url),
                dead_letter_policy=DeadLetterPolicy(dead_letter_topic=dead_letters, max_delivery_attempts=5),
                retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=100)),
                ack_deadline_seconds=600,
            )
            pubsub.publish(topic, b"poison")
            (dead,) = pubsub.pull(reader)
    assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_push_tokens_use_the_unscaled_time() -> None:
    """google-auth accepts a push token although the scaled clock is more than an hour ahead."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running(time_scale=6000) as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        topic = pubsub.topic()
        oidc = PushConfig.OidcToken(service_account_email="a@b.example", audience="audience")
        push = PushConfig(push_endpoint=endpoint.url, oidc_token=oidc)
        pubsub.subscription(topic, push_config=push, ack_deadline_seconds=600)
        time.sleep(1.0)  # 100 minutes of the server's time
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
def test_invalid_time_scale_raises_cannot_start(scale: float) -> None:
    """The error for an invalid time scale names the option --time-scale."""
    with pytest.raises(localpubsub.CannotStart, match="--time-scale"), localpubsub.running(time_scale=scale):
        pass
