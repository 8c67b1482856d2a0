"""Tests with the unmodified ``gcloud pubsub`` and ``CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB``.

A call of gcloud takes a second or more, so there are few tests, and each checks several commands.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.pubsub_client import PROJECT, PubsubClient
from tests.servers.requirements import skip_or_fail

pytestmark = pytest.mark.long_on_emulator

Gcloud = Callable[..., Any]


@pytest.fixture
def gcloud(pubsub: PubsubClient, tmp_path: Path) -> Gcloud:
    """Return a function that runs ``gcloud pubsub ...``.

    The function returns the parsed JSON output; it raises RuntimeError with the error output if gcloud fails.
    """
    if shutil.which("gcloud") is None:
        skip_or_fail("gcloud is not installed")
    environment = {
        **os.environ,
        "CLOUDSDK_CONFIG": str(tmp_path),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{pubsub.server.http_url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }

    def run(*arguments: str) -> Any:  # noqa: ANN401 - any JSON value
        command = ["gcloud", "pubsub", *arguments, "--format=json"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout or "null")

    return run


def test_gcloud_topics_and_messages(pubsub: PubsubClient, gcloud: Gcloud) -> None:
    """Behaviour 2: gcloud creates, lists and deletes topics, and publishes, pulls and acks messages."""
    topic, subscription = pubsub.name("topics"), pubsub.name("subscriptions")
    gcloud("topics", "create", topic, "--labels=a=b")
    assert topic in [each["name"] for each in gcloud("topics", "list")]
    assert gcloud("topics", "describe", topic)["labels"] == {"a": "b"}
    gcloud("subscriptions", "create", subscription, f"--topic={topic}", "--ack-deadline=60")
    (first_id,) = gcloud("topics", "publish", topic, "--message=first", "--attribute=k=v")["messageIds"]
    (received,) = gcloud("subscriptions", "pull", subscription, "--auto-ack")
    assert (received["message"]["messageId"], received["message"]["attributes"]) == (first_id, {"k": "v"})
    gcloud("topics", "publish", topic, "--message=second")
    (received,) = gcloud("subscriptions", "pull", subscription)
    assert base64.b64decode(received["message"]["data"]) == b"second"
    gcloud("subscriptions", "ack", subscription, f"--ack-ids={received['ackId']}")
    assert pubsub.pull_now(subscription) == []
    gcloud("topics", "delete", topic)
    with pytest.raises(RuntimeError, match="NOT_FOUND"):
        gcloud("topics", "describe", topic)


@pytest.mark.emulator_differs("rejects labels as an unknown field")
def test_gcloud_updates_topic_labels(pubsub: PubsubClient, gcloud: Gcloud) -> None:
    """Behaviour 10: gcloud adds a label to a topic and keeps the existing label."""
    topic = pubsub.topic(labels={"a": "b"})
    gcloud("topics", "update", topic, "--update-labels=c=d")
    assert dict(pubsub.publisher.get_topic(topic=topic).labels) == {"a": "b", "c": "d"}


def test_gcloud_subscriptions(pubsub: PubsubClient, gcloud: Gcloud) -> None:
    """Behaviours 2 and 10: gcloud creates, updates and deletes subscriptions with every policy."""
    topic, dead, name = pubsub.topic(), pubsub.topic(), pubsub.name("subscriptions")
    gcloud(
        *("subscriptions", "create", name, f"--topic={topic}", "--push-endpoint=http://127.0.0.1:9/push"),
        *(f"--dead-letter-topic={dead}", "--max-delivery-attempts=7", "--expiration-period=never"),
        *("--min-retry-delay=1s", "--max-retry-delay=60s", "--message-retention-duration=1d"),
        *("--push-auth-service-account=push@example.com", "--push-auth-token-audience=worker"),
    )
    made = gcloud("subscriptions", "describe", name)
    assert made["deadLetterPolicy"] == {"deadLetterTopic": dead, "maxDeliveryAttempts": 7}
    assert made["retryPolicy"] == {"minimumBackoff": "1s", "maximumBackoff": "60s"}
    assert made["messageRetentionDuration"] == "86400s"
    assert made["pushConfig"]["oidcToken"] == {
        "serviceAccountEmail": "push@example.com",
        "audience": "worker",
    }
    gcloud("subscriptions", "modify-push-config", name, "--push-endpoint=")
    gcloud("subscriptions", "update", name, "--ack-deadline=99", "--clear-dead-letter-policy")
    changed = gcloud("subscriptions", "describe", name)
    assert (changed["ackDeadlineSeconds"], "deadLetterPolicy" in changed) == (99, False)
    assert "pushEndpoint" not in changed["pushConfig"]
    assert name in [each["name"] for each in gcloud("subscriptions", "list")]
    gcloud("subscriptions", "delete", name)
    with pytest.raises(RuntimeError, match="NOT_FOUND"):
        gcloud("subscriptions", "describe", name)


def test_gcloud_seek_and_snapshots(pubsub: PubsubClient, gcloud: Gcloud) -> None:
    """Behaviour 28: gcloud creates, lists and deletes snapshots, and seeks to a snapshot and to a time."""
    topic = pubsub.topic()
    subscription, snapshot = pubsub.subscription(topic), pubsub.name("snapshots")
    gcloud("snapshots", "create", snapshot, f"--subscription={subscription}")
    (message_id,) = pubsub.publish(topic, b"sought")
    pubsub.ack(subscription, pubsub.pull(subscription))
    assert any(each["name"] == snapshot for each in gcloud("snapshots", "list"))
    gcloud("subscriptions", "seek", subscription, f"--snapshot={snapshot}")
    assert [received.message.message_id for received in pubsub.pull(subscription)] == [message_id]
    gcloud("subscriptions", "seek", subscription, "--time=2100-01-01T00:00:00Z")
    assert pubsub.pull_now(subscription) == []
    gcloud("snapshots", "delete", snapshot)
    assert snapshot not in [each["name"] for each in gcloud("snapshots", "list")]
