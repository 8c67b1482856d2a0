"""Tests that the numbers of one page are those of one moment."""

import pytest
from flask.testing import FlaskClient

from console.ledger.ledger import Ledger
from console.ledger.run_overview import queue_summary
from console.web import screens
from console.web.app import create_app
from console.web.options import ConsoleOptions
from tests.console.ledger.rows import job_row, outcome_row, record


@pytest.fixture
def client(ledger: Ledger) -> FlaskClient:
    """A client of the page."""
    return create_app(ConsoleOptions(ledger.data)).test_client()


def test_rows_that_are_recorded_while_a_page_is_made_are_on_the_next_one(
    ledger: Ledger, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All queries of a page see the ledger as it was when the request arrived; the next has new rows."""
    record(ledger, [job_row("a", 0)])
    seen = list[int]()

    def record_meanwhile(*arguments: object) -> object:
        summary = queue_summary(*arguments)  # type: ignore[arg-type]  # passed on
        record(ledger, [job_row("b", 1), outcome_row("b", 2)])
        seen.append(Ledger(ledger.data).accounting().dispatched)
        return summary

    with monkeypatch.context() as patch:
        patch.setattr(screens.overview, "queue_summary", record_meanwhile)
        assert client.get("/").status_code == 200
    assert seen == [1]
    assert ledger.accounting().dispatched == 2


def test_download_is_read_after_its_request(ledger: Ledger, client: FlaskClient) -> None:
    """A download has all items, although the snapshot of its request has ended when they are read."""
    record(ledger, [job_row("a", 0), outcome_row("a", 1, items=[{"n": 1}, {"n": 2}])])
    for form in ("csv", "jsonl"):
        with client.get(f"/items/download.{form}?run=run-1") as response:
            assert len(response.get_data(as_text=True).splitlines()) == 2 + (form == "csv")


def test_page_without_a_ledger_says_how_to_create_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A page that needs the ledger says what to do if there is none, and the recipe lab works."""
    client = create_app(ConsoleOptions(tmp_path_factory.mktemp("empty"))).test_client()
    assert "scrapeq up" in client.get("/").get_data(as_text=True)
    assert client.get("/lab").status_code == 200
