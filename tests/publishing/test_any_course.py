"""Publishes random messages to a server that confirms, refuses, loses or never answers requests at random."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publishing.publisher import Message, PublishUnconfirmed
from publishing.pubsub.publisher import PubSubPublisher
from tests.publishing.publish_server import ReceivedRequest, Refusal, running_publish_server
from tests.servers.waiting import MAX_WAIT_SECONDS

CONFIRMS, SLOW, UNAVAILABLE, INVALID, LOST, SILENT = range(6)
#: What the server does with each request, in the order of their arrival; it confirms all further ones.
courses = st.lists(st.sampled_from([CONFIRMS, SLOW, UNAVAILABLE, INVALID, LOST, SILENT]), max_size=12)
#: Courses without requests that never end, so that a request is over at the server when it is at the client.
ending_courses = st.lists(st.sampled_from([CONFIRMS, SLOW, UNAVAILABLE, INVALID, LOST]), max_size=12)
keys = st.sampled_from(["", "a", "b"])


@dataclass(frozen=True)
class Arrival:
    """A message of a thread.

    Attributes:
        after: seconds from the beginning to its publish.
        ordering_key: its ordering key.
        timeout: how long the thread waits, seconds.
    """

    after: float
    ordering_key: str
    timeout: float


arrivals = st.lists(
    st.builds(Arrival, st.integers(0, 6).map(lambda n: n / 100), keys, st.sampled_from([0.05, 0.3, 1.0])),
    min_size=1,
    max_size=12,
)


def respond(course: list[int], request: ReceivedRequest, cancelled: Event) -> None:
    """Do with a request what the course says."""
    what = course[request.number] if request.number < len(course) else CONFIRMS
    if what == SLOW:
        time.sleep(0.02)
    elif what == SILENT:
        cancelled.wait(MAX_WAIT_SECONDS)
    elif what == UNAVAILABLE:
        raise Refusal(grpc.StatusCode.UNAVAILABLE)
    elif what == INVALID:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT)
    elif what == LOST:
        raise Refusal(grpc.StatusCode.UNAVAILABLE, stores=True)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(course=courses, messages=arrivals, retries=st.booleans())
def test_what_is_confirmed_was_confirmed_by_the_server(
    course: list[int], messages: list[Arrival], retries: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread gets the id of its own message from a confirmed request, or an error; all of them end."""
    with running_publish_server() as server, ThreadPoolExecutor(len(messages)) as pool:
        server.respond = lambda request, cancelled: respond(course, request, cancelled)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        publisher = PubSubPublisher("p", "outcomes", timeout_seconds=3600, batch_seconds=0.02)
        jobs = publisher.for_topic("jobs", retries=retries)

        def publish(number: int) -> str | None:
            arrival = messages[number]
            time.sleep(arrival.after)
            try:
                return jobs.publish(Message(str(number).encode(), {}, arrival.ordering_key), arrival.timeout)
            except PublishUnconfirmed:
                return None

        futures = [pool.submit(publish, number) for number in range(len(messages))]
        ids = [future.result(MAX_WAIT_SECONDS) for future in futures]
        publisher.close()
    for number, message_id in enumerate(ids):
        assert message_id is None or server.confirmed[message_id] == str(number).encode()
    for request in server.requests:
        # Nothing is sent after its time: a request is given up with the first of its messages.
        timeouts = [messages[int(data)].timeout for data in request.messages]
        assert request.remaining_seconds <= min(timeouts) + 0.01
        assert len(request.ordering_keys) == 1
    if not retries:
        sent = [data for request in server.requests for data in request.messages]
        assert len(sent) == len(set(sent))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(course=ending_courses, ordering_keys=st.lists(keys, min_size=1, max_size=20))
def test_messages_of_an_ordering_key_keep_their_order(
    course: list[int], ordering_keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages of a key are stored in their order, and no two requests of a key are sent at once."""
    with running_publish_server() as server:
        server.respond = lambda request, cancelled: respond(course, request, cancelled)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        monkeypatch.setattr("publishing.pubsub.chunk.MAX_REQUEST_MESSAGES", 2)
        monkeypatch.setattr("publishing.retries.MIN_RETRY_PAUSE_SECONDS", 0.001)
        publisher = PubSubPublisher("p", "jobs", timeout_seconds=MAX_WAIT_SECONDS, batch_seconds=0.0)
        messages = [Message(str(n).encode(), {}, key) for n, key in enumerate(ordering_keys)]
        results = list(publisher.publish_all(messages))
        publisher.close()
    assert not server.overlapping_keys
    confirmed = {
        number: message_id for number, message_id in enumerate(results) if isinstance(message_id, str)
    }
    assert all(server.confirmed[message_id] == str(n).encode() for n, message_id in confirmed.items())
    for key in {"a", "b"} & set(ordering_keys):
        ids = [int(message_id) for n, message_id in confirmed.items() if ordering_keys[n] == key]
        assert ids == sorted(ids)
    # Only messages of a request that was refused for good may be missing.
    assert len(confirmed) >= len(messages) - 2 * course.count(INVALID)
