"""Tests of the state page, its JSON, and how the page looks in a browser."""

import html
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import localpubsub
from tests.servers.chromium import run_script
from tests.servers.waiting import wait_until

PROJECT = "projects/a-long-project-name-123456"
TOPICS = [f"{PROJECT}/topics/{'long-topic-name' * 16}", f"{PROJECT}/topics/outcomes"]
ENDPOINT = f"http://127.0.0.1:1/{'<b>/' * 30}"
SUBSCRIPTIONS = [
    {"name": f"{PROJECT}/subscriptions/{'LongSubscriptionName' * 12}", "topic": TOPICS[0]},
    {"name": f"{PROJECT}/subscriptions/push", "topic": TOPICS[0], "pushConfig": {"pushEndpoint": ENDPOINT}},
    {
        "name": f"{PROJECT}/subscriptions/ledger",
        "topic": TOPICS[1],
        "bigqueryConfig": {"table": f"p.dataset.{'table_name' * 20}"},
    },
    {
        "name": f"{PROJECT}/subscriptions/archive",
        "topic": TOPICS[1],
        "cloudStorageConfig": {"bucket": "bucket"},
    },
]


@pytest.fixture(scope="module")
def server() -> Iterator[localpubsub.RunningServer]:
    """A server with a subscription of each kind, without the table and the bucket of the exports."""
    setup = {"topics": TOPICS, "subscriptions": SUBSCRIPTIONS}
    with localpubsub.running(setup=setup, create_tables=False) as started:
        yield started


def read(server: localpubsub.RunningServer, path: str) -> str:
    """Return the text of a page of the server."""
    connection = http.client.HTTPConnection(server.host)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def states(server: localpubsub.RunningServer) -> dict[str, dict[str, Any]]:
    """Return the state of each subscription, by the last part of its name."""
    found = json.loads(read(server, "/state.json"))["subscriptions"]
    return {row["name"].rpartition("/")[2]: row for row in found}


def test_state_names_the_kind_and_the_destination(server: localpubsub.RunningServer) -> None:
    """The state of an export subscription has its table or bucket, and what keeps it from writing."""
    found = states(server)
    assert [found[name]["kind"] for name in ("push", "ledger", "archive")] == [
        "push",
        "BigQuery",
        "Cloud Storage",
    ]
    assert found["LongSubscriptionName" * 12]["kind"] == "pull"
    assert found["push"]["endpoint"] == ENDPOINT
    assert found["archive"]["destination"] == "bucket"
    assert found["ledger"]["destination"].startswith("p.dataset.")
    wait_until(lambda: states(server)["ledger"]["export_state"] == "NOT_FOUND", "the export is blocked")


def test_page_shows_kinds_and_escapes_names(server: localpubsub.RunningServer) -> None:
    """The page names each kind of delivery, and what clients have written is escaped."""
    page = read(server, "/")
    for text in (
        "BigQuery <small>p.dataset.",
        "Cloud Storage <small>bucket",
        "push <small>http://",
        "pull <small>",
    ):
        assert text in page
    assert "<b>" not in page


def test_page_fits_a_width_of_1000_pixels(server: localpubsub.RunningServer, tmp_path: Path) -> None:
    """In a browser the page is not wider than 1,000 pixels, although names are long."""
    script = (
        "<textarea></textarea><script>document.querySelector('iframe').onload = event =>"
        " document.querySelector('textarea').textContent ="
        " JSON.stringify(event.target.contentDocument.documentElement.scrollWidth)</script>"
    )
    page = html.escape(read(server, "/"))
    frame = f'<iframe style="width: 1000px; height: 900px; border: 0" srcdoc="{page}"></iframe>'
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html>{frame}{script}", encoding="utf-8")
    assert 0 < run_script(file.as_uri(), tmp_path / "profile") <= 1000
