"""``--setup``: what a file says exists once the server answers, and a wrong file is explained."""

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
  - {name: dead-orders, labels: {kind: graveyard}}
  - projects/other/topics/whole
subscriptions:
  - name: billing
    topic: orders
    ackDeadlineSeconds: 30
    pushConfig: {pushEndpoint: "http://127.0.0.1:9/"}
    deadLetterPolicy: {deadLetterTopic: dead-orders, maxDeliveryAttempts: 7}
  - {name: graveyard, topic: dead-orders, expirationPolicy: {}}
"""


def got(server: localpubsub.RunningServer, path: str) -> dict[str, Any]:
    """A resource over REST."""
    with urllib.request.urlopen(f"{server.http_url}/v1/{path}") as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.load(answer)
        return found


def test_what_the_file_says_exists(tmp_path: Path) -> None:
    """Names, or objects in the spelling of the REST API; short names belong to the project."""
    file = tmp_path / "pubsub.yaml"
    file.write_text(FILE)
    with localpubsub.running(setup=file) as server:
        assert got(server, "projects/shop/topics/dead-orders")["labels"] == {"kind": "graveyard"}
        assert got(server, "projects/other/topics/whole")["state"] == "ACTIVE"
        billing = got(server, "projects/shop/subscriptions/billing")
        assert billing["topic"] == "projects/shop/topics/orders"
        assert billing["pushConfig"] == {"pushEndpoint": "http://127.0.0.1:9/"}
        assert billing["deadLetterPolicy"] == {
            "deadLetterTopic": "projects/shop/topics/dead-orders",
            "maxDeliveryAttempts": 7,
        }
        assert got(server, "projects/shop/subscriptions/graveyard")["expirationPolicy"] == {}


def test_made_twice_it_is_made_once_and_changed(tmp_path: Path) -> None:
    """The data directory keeps what was there; what the file changed is changed, what it leaves out stays."""
    data = tmp_path / "data"
    topics = ["projects/p/topics/ttt"]
    before = {"name": "projects/p/subscriptions/sss", "topic": topics[0], "labels": {"a": "1"}}
    after = {"name": before["name"], "topic": topics[0], "ackDeadlineSeconds": 50}
    for subscription in (before, before, after):
        setup = {"topics": topics, "subscriptions": [subscription]}
        with localpubsub.running(data=data, setup=setup) as server:
            found = got(server, "projects/p/subscriptions/sss")
    assert (found["labels"], found["ackDeadlineSeconds"]) == ({"a": "1"}, 50)
    moved = {
        "topics": ["projects/p/topics/new"],
        "subscriptions": [{**after, "topic": "projects/p/topics/new"}],
    }
    with (
        pytest.raises(CannotStart, match=r"exists with another topic .*cannot be changed"),
        localpubsub.running(data=data, setup=moved),
    ):
        pass


WRONG = {
    "topics: [a, b]\n": r"f.yaml, line 1: 'a' is not a full name .*\nf.yaml, line 1: 'b'",
    "project: p\ntopics: {}\nsubscription: []\n": r"f.yaml, line 3: unknown key 'subscription'; known",
    "project: p\ntopics: abc\n": "f.yaml, line 2: topics must be a list",
    "project: p\ntopics:\n  - abc\n  - 7\n": "f.yaml, line 4: an entry must be a name or have a name",
    "topics: [\n\n": "f.yaml, line 3: ",
    "- a\n": "f.yaml: the file must contain topics",
    "a: !!python/name:os.system\n": "f.yaml, line 1: could not determine a constructor",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=[text.strip()[:30] for text in WRONG])
def test_a_file_that_cannot_be_read_is_explained(text: str, said: str) -> None:
    """Every fault at once, each with its line."""
    with pytest.raises(CannotStart, match=said):
        setup_file.from_text(text, "f.yaml")


def test_what_pubsub_refuses_is_explained_with_its_line(tmp_path: Path) -> None:
    """The sentence a client would get, with the line to change; nothing serves."""
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


def test_an_empty_file_wants_nothing() -> None:
    """Nor do empty lists."""
    assert setup_file.from_text("", "f.yaml") == []
    assert setup_file.from_text("topics:\nsubscriptions: []\n", "f.yaml") == []
