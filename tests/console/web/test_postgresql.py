"""Tests of the operator's page with a ledger in PostgreSQL: it acts on the stack of this machine."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.ledger.open_ledger import open_postgresql
from console.stack.services import StackOptions
from console.stack.stack import Stack
from relay.ledger.postgresql_tables import PostgresqlTables
from tests.console.ledger.job_histories import ROWS
from tests.console.ledger.written_rows import write_rows
from tests.console.web.console_process import ConsoleProcess, running_console
from tests.servers.postgresql import PostgresqlServer
from tests.servers.waiting import wait_until

#: Each screen that reads the ledger, and a text that it shows of it.
SCREENS = {
    "/": "run-1",
    "/runs": "run-1",
    "/runs/run-1": "missing",
    "/charts/run-1": "<svg",
    "/jobs?run=run-1": "https://shop.example/",
    "/jobs?text=SHOP": "https://shop.example/",
    "/job/twice?run=run-1": "attempt 1",
    "/job/dead?run=run-1": "after 5 deliveries",
    "/job/settled?run=run-1": "http_404",
    "/dead-letters?run=run-1": "http_5xx",
    "/acts": "ada@desk",
    "/items?run=run-1": "https://shop.example/twice",
    "/lab?run=run-1&job=dead": "https://shop.example/dead",
}
CRAWL = """\
name: shop
run_id: shop-1
sources: {urls: ["http://127.0.0.1:9/"]}
recipe: {name: page, fields: {title: {css: h1}}}
"""


@pytest.fixture(scope="module")
def url(postgresql_server: PostgresqlServer) -> str:
    """The URL of a ledger with jobs in every state."""
    created = postgresql_server.new_database()
    open_postgresql(created).create()
    write_rows(PostgresqlTables(created, "test"), ROWS)
    return created


@pytest.fixture(scope="module")
def console(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """The page of that ledger; no stack runs in its data directory."""
    with running_console(tmp_path_factory.mktemp("data"), ledger=url) as process:
        yield process


@pytest.mark.parametrize(("path", "text"), SCREENS.items())
def test_a_screen_shows_the_ledger(console: ConsoleProcess, path: str, text: str) -> None:
    """Each screen has what the ledger in PostgreSQL has."""
    response = console.get(path)
    assert response.status_code == 200
    assert text in response.text.partition("<main")[2]


@pytest.mark.parametrize("path", ["/", "/runs/run-1"])
def test_a_screen_renews_itself(console: ConsoleProcess, path: str) -> None:
    """Queries cost nothing, so the screens that renew themselves with a file do so with PostgreSQL."""
    assert "data-live" in console.get(path).text


def test_the_cost_of_today_is_that_of_own_machines(console: ConsoleProcess) -> None:
    """The overview says that nothing is billed here, and what Google Cloud would bill."""
    shown = " ".join(re.sub("<[^>]*>", " ", console.get("/").text).split())
    assert "Cost today $0 here; on Google Cloud" in shown


def test_without_a_stack_a_crawl_is_answered_with_the_missing_stack(console: ConsoleProcess) -> None:
    """The page is not that of a deployment, so the fault names the stack that has to be started."""
    response = console.session().post("/runs", {"crawl": CRAWL})
    assert response.status_code == 422
    assert "No `scrapeq up` runs in" in html.unescape(response.text)


def test_a_crawl_is_dispatched_to_the_stack_of_the_data_directory(url: str, tmp_path: Path) -> None:
    """The form sends the crawl to the dispatcher of the running stack."""
    with Stack(StackOptions(data=tmp_path)) as stack, running_console(tmp_path, ledger=url) as console:
        response = console.session().post("/runs", {"crawl": CRAWL})
        assert response.status_code == 303
        wait_until(lambda: stack.ledger.runs() == ["shop-1"], "the run is recorded")
