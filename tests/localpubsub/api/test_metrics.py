"""Tests of the metrics for Prometheus: the text format, and what is counted."""

import http.client
import re
from collections.abc import Iterator

import pytest

import localpubsub
from localpubsub.api import metrics
from localpubsub.broker.counters import LATENCY_BOUNDS
from localpubsub.testing import PubsubServer
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import PushEndpoint, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

#: One line of the text format: name, labels and value (see the source in api/metrics.py).
SAMPLE = re.compile(r"([a-z_]+)\{((?:[a-z]+=\"(?:[^\"\\\n]|\\[\\n\"])*\",?)*)\} ([0-9.e+-]+)")
LABEL = re.compile(r"([a-z]+)=\"((?:[^\"\\\n]|\\[\\n\"])*)\"")
ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Return the value of each sample by name and labels; fail if a line does not follow the format."""
    found: Samples = {}
    types: dict[str, str] = {}
    for line in text.splitlines():
        if declared := re.fullmatch(r"# TYPE ([a-z_]+) (counter|gauge|histogram)", line):
            types[declared[1]] = declared[2]
        elif not re.fullmatch(r"# HELP [a-z_]+ .+\.", line):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            name, labels, value = sample.groups()
            assert re.sub(r"_(bucket|sum|count)$", "", name) in types or name in types, line
            pairs = [
                (label, re.sub(r"\\.", lambda escape: ESCAPES[escape[0]], content))
                for label, content in LABEL.findall(labels)
            ]
            key = (name.removeprefix("localpubsub_"), frozenset(pairs))
            assert key not in found, line
            found[key] = float(value)
    return found


def read(host: str) -> Samples:
    """Return the samples of a server."""
    connection = http.client.HTTPConnection(host, timeout=MAX_WAIT_SECONDS)
    connection.request("GET", metrics.PATH)
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = response.read().decode()
    connection.close()
    return parse(text)


@pytest.fixture
def pubsub() -> Iterator[PubsubClient]:
    """Clients of a new server."""
    with running_localpubsub() as client:
        yield client


@pytest.fixture
def endpoint() -> Iterator[PushEndpoint]:
    """A push endpoint."""
    with running_endpoint(MAX_WAIT_SECONDS) as made:
        yield made


def test_pull_is_counted(pubsub: PubsubClient) -> None:
    """Publishes, deliveries, acks, nacks, backlog and outstanding messages are counted by subscription."""
    topic = pubsub.topic()
    labels = frozenset({("subscription", pubsub.subscription(topic)), ("topic", topic)})
    name = dict(labels)["subscription"]
    pubsub.publish(topic, b"1", b"2", b"3")
    first, second, _ = pubsub.pull(name, 3)
    pubsub.ack(name, [first])
    pubsub.nack(name, [second])
    found = read(pubsub.server.host)
    assert found["topic_published_messages_total", frozenset({("topic", topic)})] == 3
    expected = {"deliveries_total": 3, "acks_total": 1, "nacks_total": 1, "backlog_messages": 2}
    expected |= {"outstanding_messages": 1, "expired_leases_total": 0, "dead_letters_total": 0}
    assert {metric: found[f"subscription_{metric}", labels] for metric in expected} == expected
    assert found["subscription_oldest_unacked_age_seconds", labels] > 0


def test_pushes_are_counted_by_status(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """The statuses and latencies of pushes are counted; the buckets of the histogram are cumulative."""
    topic = pubsub.topic()
    name = pubsub.subscription(topic, push_config={"push_endpoint": endpoint.url})
    labels = frozenset({("subscription", name), ("topic", topic)})
    pubsub.publish(topic, b"1", b"2")
    key = ("subscription_pushes_total", labels | {("status", "204")})
    wait_until(lambda: read(pubsub.server.host).get(key) == 2, "both pushes are counted")
    found = read(pubsub.server.host)
    assert found["subscription_acks_total", labels] == 2
    assert found["subscription_push_seconds_count", labels] == 2
    assert found["subscription_push_seconds_bucket", labels | {("le", "+Inf")}] == 2
    buckets = [found["subscription_push_seconds_bucket", labels | {("le", f"{b:g}")}] for b in LATENCY_BOUNDS]
    assert buckets == sorted(buckets)


def test_dead_letters_and_expiries_are_counted() -> None:
    """Leases that expire are counted, and the message that has no attempt left is a dead letter."""
    with running_localpubsub() as pubsub:
        topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
        policy = {"dead_letter_topic": dead_letter_topic, "max_delivery_attempts": 5}
        name = pubsub.subscription(topic, dead_letter_policy=policy, ack_deadline_seconds=600)
        labels = frozenset({("subscription", name), ("topic", topic)})
        pubsub.publish(topic, b"poison")
        for _ in range(5):
            pubsub.pull(name)
            PubsubServer(pubsub.server.host, pubsub.server.http_url).advance(600)
        key = ("subscription_dead_letters_total", labels)
        wait_until(lambda: read(pubsub.server.host)[key] == 1, "the message is dead-lettered")
        assert read(pubsub.server.host)["subscription_expired_leases_total", labels] == 5


def test_label_values_are_escaped() -> None:
    """Backslashes, quotes and line breaks of a label are escaped as the format requires."""
    name = 'a\\b"c\nd'
    (line,) = list(metrics._metric("x_total", "counter", "X.", [("", {"topic": name}, 1)]))[2:]  # noqa: SLF001 - no topic may have such a name
    assert line == 'localpubsub_x_total{topic="a\\\\b\\"c\\nd"} 1'
    assert parse(f"# TYPE localpubsub_x_total counter\n{line}") == {
        ("x_total", frozenset({("topic", name)})): 1
    }


def test_server_without_resources_has_valid_metrics() -> None:
    """Metrics without samples follow the format, too."""
    with localpubsub.running() as server:
        assert read(server.host) == {}
