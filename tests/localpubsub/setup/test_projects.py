"""Tests of the short form of topics and subscriptions, in options and environment variables."""

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import localpubsub
from localpubsub.errors import CannotStart
from localpubsub.setup.file import SetupEntry
from localpubsub.setup.projects import from_projects, of_environment
from tests.servers.pubsub_client import connect

TOPICS = "projects/shop/topics/"
SUBSCRIPTIONS = "projects/shop/subscriptions/"
NAMES = st.from_regex(r"[a-z][a-z0-9-]{2,10}", fullmatch=True)


def resources(entries: list[SetupEntry]) -> list[tuple[str, dict[str, Any]]]:
    """Return the collection and the fields of each entry."""
    return [(entry.collection, entry.fields) for entry in entries]


def test_topics_and_subscriptions_of_a_project() -> None:
    """A topic is followed by its subscriptions, and white space does not count."""
    assert resources(from_projects(["shop, orders,\n invoices:billing:audit"])) == [
        ("topics", {"name": f"{TOPICS}orders"}),
        ("topics", {"name": f"{TOPICS}invoices"}),
        ("subscriptions", {"name": f"{SUBSCRIPTIONS}billing", "topic": f"{TOPICS}invoices"}),
        ("subscriptions", {"name": f"{SUBSCRIPTIONS}audit", "topic": f"{TOPICS}invoices"}),
    ]


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:5000/push", "http://127.0.0.1:5000/push"),
        ("https://push.example/a:b", "https://push.example/a"),
        ("127.0.0.1#5000/push", "http://127.0.0.1:5000/push"),
        ("app|8080", "http://app:8080"),
        ("app:8080", "http://app:8080"),
        ("http://[::1]:5000/", "http://[::1]:5000/"),
    ],
)
def test_endpoint_of_a_push_subscription(endpoint: str, url: str) -> None:
    """A `+` is followed by the endpoint, in the spelling of a URL or of images of the official emulator."""
    _, (_, push), *others = resources(from_projects([f"shop,orders:billing+{endpoint}:audit"]))
    assert push == {
        "name": f"{SUBSCRIPTIONS}billing",
        "topic": f"{TOPICS}orders",
        "pushConfig": {"pushEndpoint": url},
    }
    assert others[-1] == ("subscriptions", {"name": f"{SUBSCRIPTIONS}audit", "topic": f"{TOPICS}orders"})


@given(NAMES, st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=3), max_size=3))
def test_every_name_becomes_one_resource(project: str, topics: dict[str, list[str]]) -> None:
    """A text that is made from names has a resource for each of them, in order."""
    text = ",".join([project, *(":".join([topic, *names]) for topic, names in topics.items())])
    found = [fields["name"] for _, fields in resources(from_projects([text]))]
    expected = []
    for topic, names in topics.items():
        expected.append(f"projects/{project}/topics/{topic}")
        expected += [f"projects/{project}/subscriptions/{name}" for name in names]
    assert found == expected


@pytest.mark.parametrize("text", ["shop,", "shop,:billing", "shop,orders:", ",orders", "shop,,orders"])
def test_missing_name_is_reported(text: str) -> None:
    """The error quotes the text, and shows the form."""
    with pytest.raises(CannotStart, match="a name is missing; write PROJECT,TOPIC") as error:
        from_projects([text])
    assert repr(text) in str(error.value)


def test_invalid_name_is_reported_at_the_start() -> None:
    """A name that Pub/Sub does not allow stops the start with a sentence that names the project."""
    with pytest.raises(CannotStart, match="project 'shop,2big'"), localpubsub.running(projects=["shop,2big"]):
        pass


def test_variables_are_read_in_the_order_of_their_numbers() -> None:
    """PUBSUB_PROJECT10 is read after PUBSUB_PROJECT2, and other variables are ignored."""
    environment = {
        "PUBSUB_PROJECT10": "c",
        "PUBSUB_PROJECT2": "b",
        "PUBSUB_PROJECT_1": "a",
        "PUBSUB_PROJECT_ID": "x",
        "PUBSUB_PROJECT": "x",
    }
    assert of_environment(environment) == ("a", "b", "c")


def test_command_creates_the_resources_of_its_environment() -> None:
    """The command reads the variables, and creates their resources and those of its options."""
    command = [sys.executable, "-m", "localpubsub", "--ephemeral", "--port", "0"]
    environment = {**os.environ, "PUBSUB_PROJECT1": "shop,orders:billing"}
    with subprocess.Popen(
        [*command, "--project", "other,events"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        host = process.stdout.readline().split()[3]
        http_url = process.stdout.readline().split()[5]
        try:
            with connect(host) as pubsub:
                [message_id] = pubsub.publish(f"{TOPICS}orders", b"a book")
                [received] = pubsub.pull(f"{SUBSCRIPTIONS}billing")
                assert received.message.message_id == message_id
            with urllib.request.urlopen(f"{http_url}v1/projects/other/topics") as response:  # noqa: S310 - the test's own server
                assert [each["name"] for each in json.load(response)["topics"]] == [
                    "projects/other/topics/events"
                ]
        finally:
            process.terminate()
