"""Tests the outcome of an extraction: its items, its warnings and its reason."""

import hashlib
import json
from typing import Any

import pytest

from contract.outcome import Reason
from extraction.extract_items import MAX_ITEMS_BYTES
from tests.servers.pushes import job, push
from tests.worker.worker_under_test import WorkerUnderTest
from worker.page import FetchedPage


def page(body: str) -> FetchedPage:
    """Return a page of the shop."""
    return FetchedPage("https://shop.example/one", 203, "text/html; charset=utf-8", body.encode())


@pytest.mark.parametrize(
    ("field", "body", "reason", "detail"),
    [
        (
            {"css": "h2", "required": True},
            "<h1>x</h1>",
            Reason.MISSING_FIELD,
            "f: nothing on the page matches h2",
        ),
        (
            {"css": "h1", "type": "number", "required": True},
            "<h1>x</h1>",
            Reason.BAD_VALUE,
            "f: 'x' contains no number",
        ),
        ({"xpath": "//a[$x]"}, "<a>", Reason.BAD_RECIPE, "a selector of book failed: Undefined variable"),
    ],
)
def test_a_failed_extraction_keeps_url_status_and_hash_of_the_page(
    worker: WorkerUnderTest, field: dict[str, Any], body: str, reason: Reason, detail: str
) -> None:
    """The outcome of a failed extraction has the reason and the page's URL, status, size and SHA-256."""
    worker.site.page = page(body)
    assert worker.post(push(job(recipe={"name": "book", "fields": {"f": field}}))).status_code == 422
    [outcome] = worker.outcomes()
    assert (outcome.reason, outcome.detail) == (reason, detail)
    assert (outcome.final_url, outcome.http_status) == ("https://shop.example/one", 203)
    assert (outcome.body_bytes, outcome.body_sha256) == (len(body), hashlib.sha256(body.encode()).hexdigest())


def test_an_unknown_charset_fails(worker: WorkerUnderTest) -> None:
    """A page that declares an unknown charset, and is not UTF-8, fails with the reason `charset`."""
    body = b"<h1>\xff</h1>"
    worker.site.page = FetchedPage("https://shop.example/", 200, "text/html; charset=undefined", body)
    assert worker.post(push()).status_code == 422
    assert worker.outcomes()[0].reason is Reason.CHARSET


@pytest.mark.parametrize("text", ["日" * 500_000, '"' * 800_000, "\x01" * 300_000])
def test_items_larger_than_an_outcome_fail_with_too_large(worker: WorkerUnderTest, text: str) -> None:
    """Items over MAX_ITEMS_BYTES fail with `too_large`; their size is that of the JSON text in UTF-8."""
    worker.site.page = page(f"<h1>{text}</h1>".replace("\x01", "&#92;"))
    fields = {name: {"css": "h1", "type": "html"} for name in ("a", "b", "c", "d")}
    assert worker.post(push(job(recipe={"name": "book", "fields": fields}))).status_code == 422
    [outcome] = worker.outcomes()
    assert outcome.reason is Reason.TOO_LARGE
    assert f"the maximum is {MAX_ITEMS_BYTES}" in outcome.detail
    assert len(worker.publisher.published[0].data) < 10_000


def test_warnings_about_optional_fields_are_the_detail_of_a_success(worker: WorkerUnderTest) -> None:
    """If an optional field has an unreadable value, the job succeeds and `detail` has the warning."""
    worker.site.page = page("<h1>free</h1>")
    worker.post(push(job(recipe={"name": "book", "fields": {"price": {"css": "h1", "type": "number"}}})))
    [outcome] = worker.outcomes()
    assert (outcome.reason, outcome.items) == (Reason.OK, '[{"price":null}]')
    assert outcome.detail == "price: 'free' contains no number"


def test_items_are_json_in_a_string(worker: WorkerUnderTest) -> None:
    """The field `items` is a string with JSON, in which numbers and all characters are kept."""
    worker.site.page = page('<h1>1,234.5</h1><p>"日本" \\ </p>')
    fields = {"n": {"css": "h1", "type": "number"}, "t": {"css": "p"}, "l": {"css": "h1, p", "many": True}}
    worker.post(push(job(recipe={"name": "book", "fields": fields})))
    [outcome] = worker.outcomes()
    assert json.loads(outcome.items) == [{"n": 1234.5, "t": '"日本" \\', "l": ["1,234.5", '"日本" \\']}]
