"""Node's ``@google-cloud/pubsub`` from its public package, unmodified."""

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

pytestmark = [pytest.mark.timeout(600), pytest.mark.long_on_emulator]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the story and the packages it needs, as the lock file names them."""
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


def story(node: Path, pubsub: PubsubClient, host: str, ordered: str) -> dict[str, Any]:
    """What the client saw."""
    topic, subscription = (pubsub.name(each).rpartition("/")[2] for each in ("topics", "subscriptions"))
    command = ["node", "story.mjs", PROJECT, topic, subscription, ordered]
    environment = {**os.environ, "PUBSUB_EMULATOR_HOST": host}
    done = subprocess.run(
        command, cwd=node, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nodes_client_works(pubsub: PubsubClient, node: Path) -> None:
    """Topic and subscription created, messages published with an ordering key, streamed, acknowledged."""
    seen = story(node, pubsub, pubsub.server.host, "PLAIN")
    received = sorted(seen["received"], key=lambda message: int(message["id"]))
    assert [message["id"] for message in received] == seen["published"]
    assert [message["data"] for message in received] == ["one", "two", "three"]
    assert [message["attributes"] for message in received] == [
        {"text": text} for text in ("one", "two", "three")
    ]
    assert {message["orderingKey"] for message in received} == {"key"}
    assert (seen["ackDeadlineSeconds"], seen["again"]) == (20, 6)


def test_nodes_client_receives_in_order(pubsub: PubsubClient, node: Path) -> None:
    """Behaviour 23: the messages of a key come in the order in which they were published."""
    seen = story(node, pubsub, pubsub.server.host, "ORDERED")
    assert [message["id"] for message in seen["received"]] == seen["published"]
    assert [message["data"] for message in seen["received"]] == ["one", "two", "three"]
