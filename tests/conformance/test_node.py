"""Tests with the unmodified Node client ``@google-cloud/pubsub``.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers.pubsub_client import PROJECT, PubsubClient
from tests.servers.requirements import skip_or_fail

HERE: Final = Path(__file__).parent / "node"

pytestmark = pytest.mark.long_on_emulator


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and the packages of their lock file."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            skip_or_fail(f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("node")
    for file in HERE.glob("*.*"):
        shutil.copy(file, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        skip_or_fail(f"npm ci failed: {done.stderr[-500:]}")
    return folder


def run_script(node: Path, pubsub: PubsubClient, script: str, *options: str) -> dict[str, Any]:
    """Run a script with the names of a new topic and subscription, and return its JSON output."""
    topic, subscription = (pubsub.name(each).rpartition("/")[2] for each in ("topics", "subscriptions"))
    command = ["node", script, PROJECT, topic, subscription, *options]
    environment = {**os.environ, "PUBSUB_EMULATOR_HOST": pubsub.server.host}
    done = subprocess.run(
        command, cwd=node, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_node_client_publishes_and_receives(pubsub: PubsubClient, node: Path) -> None:
    """The Node client creates a topic and a subscription, publishes, and receives and acks all messages."""
    result = run_script(node, pubsub, "publish_and_receive.mjs", "PLAIN")
    received = sorted(result["received"], key=lambda message: int(message["id"]))
    assert [message["id"] for message in received] == result["published"]
    assert [message["data"] for message in received] == ["one", "two", "three"]
    assert [message["attributes"] for message in received] == [
        {"text": text} for text in ("one", "two", "three")
    ]
    assert {message["orderingKey"] for message in received} == {"key"}
    assert (result["ackDeadlineSeconds"], result["secondCreate"]) == (20, 6)


def test_node_client_receives_in_order(pubsub: PubsubClient, node: Path) -> None:
    """Behaviour 23: the messages of an ordering key arrive in the order in which they were published."""
    result = run_script(node, pubsub, "publish_and_receive.mjs", "ORDERED")
    assert [message["id"] for message in result["received"]] == result["published"]
    assert [message["data"] for message in result["received"]] == ["one", "two", "three"]


def test_node_client_seeks_while_its_stream_is_open(pubsub: PubsubClient, node: Path) -> None:
    """Behaviour 28: an acked message is delivered again after a seek to a snapshot or to its time."""
    assert run_script(node, pubsub, "seek.mjs") == {"received": [True, True, True]}
