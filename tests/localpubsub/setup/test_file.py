"""Tests of the option --setup with valid files, invalid files and existing resources."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import localpubsub
from localpubsub.errors import CannotStart
from localpubsub.setup import file as setup_file

FILE = """\
project: shop
topics:
  - orders
  - {name: dead-orders, labels: {kind: dead-letters}}
  - projects/other/topics/whole
subscriptions:
  - name: billing
    topic: orders
    ackDeadlineSeconds: 30
    pushConfig: {pushEndpoint: "http://127.0.0.1:9/"}
    deadLetterPolicy: {deadLetterTopic: dead-orders, maxDeliveryAttempts: 7}
  - {name: dead-letter-reader, topic: dead-orders, expirationPolicy: {}}
"""


def get(server: localpubsub.RunningServer, path: str) -> dict[str, Any]:
    """Return a resource over REST."""
    with urllib.request.urlopen(f"{server.http_url}/v1/{path}") as response:  # noqa: S310 - the test's own server
        found: dict[str, Any] = json.load(response)
        return found


def test_setup_creates_the_resources_of_the_file(tmp_path: Path) -> None:
    """All resources of a setup file exist after the start, and short names belong to the file's project."""
    file = tmp_path / "pubsub.yaml"
    file.write_text(FILE)
    with localpubsub.running(setup=file) as server:
        assert get(server, "projects/shop/topics/dead-orders")["labels"] == {"kind": "dead-letters"}
        assert get(server, "projects/other/topics/whole")["state"] == "ACTIVE"
        billing = get(server, "projects/shop/subscriptions/billing")
        assert billing["topic"] == "projects/shop/topics/orders"
        assert billing["pushConfig"] == {"pushEndpoint": "http://127.0.0.1:9/"}
        assert billing["deadLetterPolicy"] == {
            "deadLetterTopic": "projects/shop/topics/dead-orders",
            "maxDeliveryAttempts": 7,
        }
        assert get(server, "projects/shop/subscriptions/dead-letter-reader")["expirationPolicy"] == {}


def test_setup_updates_existing_resources(tmp_path: Path) -> None:
    """A changed field is updated, omitted fields keep their values, and a changed topic is an error."""
    data = tmp_path / "data"
    topics = ["projects/p/topics/ttt"]
    before = {"name": "projects/p/subscriptions/sss", "topic": topics[0], "labels": {"a": "1"}}
    after = {"name": before["name"], "topic": topics[0], "ackDeadlineSeconds": 50}
    for subscription in (before, before, after):
        setup = {"topics": topics, "subscriptions": [subscription]}
        with localpubsub.running(data=data, setup=setup) as server:
            found = get(server, "projects/p/subscriptions/sss")
    assert (found["labels"], found["ackDeadlineSeconds"]) == ({"a": "1"}, 50)
    moved = {
        "topics": ["projects/p/topics/new"],
        "subscriptions": [{**after, "topic": "projects/p/topics/new"}],
    }
    with (
        pytest.raises(CannotStart, match=r"exists with a different topic .*cannot be changed"),
        localpubsub.running(data=data, setup=moved),
    ):
        pass


INVALID_FILES = {
    "topics: [a, b]\n": r"f.yaml, line 1: 'a' is not a full name .*\nf.yaml, line 1: 'b'",
    "project: p\ntopics: {}\nsubscription: []\n": r"f.yaml, line 3: unknown key 'subscription'; known",
    "project: p\ntopics: abc\n": "f.yaml, line 2: topics must be a list",
    "project: p\ntopics:\n  - abc\n  - 7\n": "line 4: an entry must be a name, or a mapping with a name",
    "topics: [\n\n": "f.yaml, line 3: ",
    "- a\n": "f.yaml: the file must contain topics",
    "a: !!python/name:os.system\n": "f.yaml, line 1: could not determine a constructor",
}


@pytest.mark.parametrize(
    ("text", "message"), INVALID_FILES.items(), ids=[text.strip()[:30] for text in INVALID_FILES]
)
def test_setup_with_an_invalid_file_cannot_start(text: str, message: str) -> None:
    """The error of an invalid file contains each fault with its line number."""
    with pytest.raises(CannotStart, match=message):
        setup_file.from_text(text, "f.yaml")


def test_setup_with_rejected_resources_cannot_start(tmp_path: Path) -> None:
    """For each rejected resource, CannotStart has a line with the line number and the error of the call."""
    file = tmp_path / "f.yaml"
    file.write_text(
        "project: p\ntopics: [ttt]\nsubscriptions:\n- {name: sss, topic: ttt, ackDeadlineSeconds: 5}\n"
        "- {name: uuu, topic: ttt, ackDeadline: 50}\n- {name: vvv, topic: missing}\n"
    )
    with pytest.raises(CannotStart) as caught, localpubsub.running(setup=file):
        pass
    lines = str(caught.value).splitlines()
    assert [re.findall(r"line (\d+): ", line) for line in lines] == [["4"], ["5"], ["6"]]
    assert 'Unknown name "ackDeadline"' in lines[1]
    with pytest.raises(CannotStart, match=r"cannot read the setup file .*No such file"):
        localpubsub.running(setup=tmp_path / "missing.yaml").__enter__()


def test_setup_with_an_empty_file_creates_nothing() -> None:
    """An empty file, and a file with empty lists, define no resources."""
    assert setup_file.from_text("", "f.yaml") == []
    assert setup_file.from_text("topics:\nsubscriptions: []\n", "f.yaml") == []
