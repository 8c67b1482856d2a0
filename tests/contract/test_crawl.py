"""Tests that a crawl is decoded, and that one error lists all its faults, each with its path."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.crawl import MAX_JOBS, Crawl
from contract.faults import UnreadableCrawl
from contract.recipe import MAX_FIELDS
from contract.sources import MAX_INLINE_URLS
from extraction.selectors import CHECKS
from tests.contract.documents import CRAWL, as_bytes, changed, crawls, without


def faults_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and message of every fault of `document`."""
    body = as_bytes(document)
    with pytest.raises(UnreadableCrawl) as caught:
        Crawl.decode(body, CHECKS)
    assert caught.value.raw == body
    return [(fault.path, fault.message) for fault in caught.value.faults]


@given(crawl=crawls)
def test_crawl_survives_encoding_with_all_defaults(crawl: Crawl) -> None:
    """A crawl that is encoded with all its defaults is decoded as the same crawl."""
    assert Crawl.decode(crawl.model_dump_json().encode(), CHECKS) == crawl


def test_crawl_defaults_obey_robots_and_limit_jobs() -> None:
    """A crawl without politeness and limits obeys robots.txt and has at most 10,000 jobs."""
    crawl = Crawl.decode(as_bytes(CRAWL), CHECKS)
    assert crawl.politeness.respect_robots
    assert crawl.limits.max_jobs == 10_000
    assert crawl.run_id is None


@pytest.mark.parametrize(
    ("started_at", "run_id"),
    [
        (datetime(2026, 11, 22, 6, tzinfo=UTC), "books-2026-11-22T06:00:00Z"),
        (datetime(2026, 11, 22, 7, tzinfo=timezone(timedelta(hours=1))), "books-2026-11-22T06:00:00Z"),
        (datetime(2026, 11, 22, 6, 0, 3, 120_999, tzinfo=UTC), "books-2026-11-22T06:00:03.120Z"),
        (datetime(2026, 11, 22, 6, 0, 3, 999, tzinfo=UTC), "books-2026-11-22T06:00:03Z"),
    ],
)
def test_run_id_is_the_name_and_the_time_unless_the_crawl_has_one(started_at: datetime, run_id: str) -> None:
    """A scheduled time gives the same run id each time; two runs of the same second have different ones."""
    crawl = Crawl.decode(as_bytes(CRAWL), CHECKS)
    assert crawl.name == "books"
    assert crawl.run_id_at(started_at) == run_id
    assert crawl.model_copy(update={"run_id": "mine"}).run_id_at(started_at) == "mine"


def test_invalid_url_among_sources_does_not_reject_the_crawl() -> None:
    """A crawl with an invalid URL is decoded, because the dispatcher rejects only that URL."""
    crawl = Crawl.decode(
        as_bytes(changed(CRAWL, "sources.urls", ["https://books.example/", "mailto:me"])), CHECKS
    )
    assert crawl.sources.urls == ("https://books.example/", "mailto:me")


def test_sitemap_without_urls_is_accepted() -> None:
    """A crawl with a sitemap and no URLs is decoded, and the sitemap's URL is normalised."""
    crawl = Crawl.decode(
        as_bytes(changed(CRAWL, "sources", {"sitemap": "HTTPS://Bücher.example/s.xml#x"})), CHECKS
    )
    assert crawl.sources.sitemap == "https://xn--bcher-kva.example/s.xml"


TITLE = "recipe.fields.title"
ONE_SELECTOR = "exactly one of css, xpath, jmespath, jsonld, meta and sources is needed"


def nested(levels: int) -> object:
    """Return 0 inside `levels` arrays."""
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        # Fields of the crawl itself
        ("name", "Books", "name", "String should match pattern"),
        ("name", "", "name", "String should match pattern"),
        ("name", "books shop", "name", "String should match pattern"),
        ("name", "books\0", "name", "String should match pattern"),
        ("name", "b" * 64, "name", "String should match pattern"),
        ("name", 7, "name", "Input should be a valid string (got 7)"),
        ("name", None, "name", "Input should be a valid string (got None)"),
        ("name", "b\ud800", "name", "a lone surrogate, which UTF-8 cannot encode (got 'b\\ud800')"),
        ("run_id", "a/b", "run_id", "String should match pattern"),
        ("run_id", "r" * 129, "run_id", "String should match pattern"),
        # Sources
        (
            "sources",
            {},
            "sources",
            "there is no source: give urls, template, urls_file, sitemap",
        ),
        ("sources", [], "sources", "must be an object (got [])"),
        ("sources.urls", [], "sources", "there is no source"),
        ("sources.urls", "https://books.example/", "sources.urls", "Input should be a valid tuple"),
        ("sources.urls", ["https://books.example/", 7], "sources.urls.1", "Input should be a valid string"),
        ("sources.urls", ["http://a/\udfff"], "sources.urls.0", "a lone surrogate"),
        ("sources.urls", ["u"] * (MAX_INLINE_URLS + 1), "sources.urls", "at most 10000 items"),
        ("sources.sitemap", "/sitemap.xml", "sources.sitemap", "must be http or https; it is missing"),
        ("sources.sitemap", "http://me:pw@x/", "sources.sitemap", "a URL with a user or password is refused"),
        # Recipe
        ("recipe", None, "recipe", "must be an object (got None)"),
        ("recipe.name", "a book", "recipe.name", "String should match pattern"),
        ("recipe.items", "li[", "recipe.items", "not a CSS selector"),
        ("recipe.fields", {}, "recipe.fields", "at least 1 item"),
        ("recipe.fields", [1], "recipe.fields", "must be an object (got [1])"),
        (
            "recipe.fields",
            {f"f{n}": {"css": "a"} for n in range(MAX_FIELDS + 1)},
            "recipe.fields",
            "at most 100 items",
        ),
        ("recipe.fields", {"a title": {"css": "a"}}, "recipe.fields.a title.[key]", "String should match"),
        ("recipe.fields", {"t" * 65: {"css": "a"}}, f"recipe.fields.{'t' * 65}.[key]", "String should match"),
        ("recipe.fields", {"t\ud800": {"css": "a"}}, "recipe.fields.t\\ud800", "a lone surrogate"),
        (TITLE, "h1", TITLE, "must be an object (got 'h1')"),
        (TITLE, {}, TITLE, ONE_SELECTOR),
        (TITLE, {"css": "a", "xpath": "//a"}, TITLE, ONE_SELECTOR),
        (TITLE, {"css": "a", "required": True, "default": 0}, TITLE, "required and default exclude each"),
        (f"{TITLE}.css", "", f"{TITLE}.css", "at least 1 character"),
        (f"{TITLE}.css", "h1[", f"{TITLE}.css", "not a CSS selector: Expected ident"),
        (
            f"{TITLE}.css",
            "h1::txt",
            f"{TITLE}.css",
            "not a CSS selector: The pseudo-element ::txt is unknown",
        ),
        (f"{TITLE}.css", "a,", f"{TITLE}.css", "not a CSS selector: Expected selector"),
        (f"{TITLE}.css", 'a[title="\x01"]', f"{TITLE}.css", "no NULL bytes or control characters"),
        (f"{TITLE}.css", "a" * 1001, f"{TITLE}.css", "at most 1000 characters"),
        (f"{TITLE}.css", ":not(" * 190 + "a", f"{TITLE}.css", "not a CSS selector"),
        (TITLE, {"xpath": "//a["}, f"{TITLE}.xpath", "not an XPath expression: Invalid expression"),
        (TITLE, {"xpath": "//a\0"}, f"{TITLE}.xpath", "no NULL bytes or control characters"),
        (TITLE, {"xpath": "(" * 999}, f"{TITLE}.xpath", "not an XPath expression"),
        (f"{TITLE}.re", "(", f"{TITLE}.re", "not a regular expression: missing )"),
        (f"{TITLE}.re", "(a)(b)", f"{TITLE}.re", "at most one group, which is the value; this pattern has 2"),
        (
            f"{TITLE}.re",
            "a{99999999999}",
            f"{TITLE}.re",
            "not a regular expression: the repetition number is",
        ),
        (f"{TITLE}.re", "(" * 999, f"{TITLE}.re", "not a regular expression"),
        (f"{TITLE}.type", "money", f"{TITLE}.type", "Input should be 'text', 'number'"),
        (f"{TITLE}.many", "sometimes", f"{TITLE}.many", "Input should be a valid boolean"),
        (f"{TITLE}.default", "\ud800", f"{TITLE}.default", "a lone surrogate"),
        (f"{TITLE}.default", {"a": ["\ud800"]}, f"{TITLE}.default.a.0", "a lone surrogate"),
        (f"{TITLE}.default", nested(40), f"{TITLE}.default{'.0' * 29}", "nested too deeply"),
        (f"{TITLE}.default", float("nan"), "", "NaN is not a JSON number"),
        # Limits and politeness
        ("limits.max_jobs", 0, "limits.max_jobs", "greater than or equal to 1 (got 0)"),
        ("limits.max_jobs", MAX_JOBS + 1, "limits.max_jobs", "less than or equal to 1000000"),
        ("limits.max_jobs", 10**400, "limits.max_jobs", "less than or equal to 1000000"),
        ("limits.max_jobs", 1.5, "limits.max_jobs", "got a number with a fractional part"),
        ("politeness.delay_seconds", -0.1, "politeness.delay_seconds", "greater than or equal to 0"),
        ("politeness.delay_seconds", 61, "politeness.delay_seconds", "less than or equal to 60"),
        ("politeness.delay_seconds", 10**400, "politeness.delay_seconds", "Input should be a valid number"),
        ("politeness.delay_seconds", float("inf"), "", "Infinity is not a JSON number"),
        # Misspelt or unknown fields
        ("recipie", {}, "recipie", "there is no such field"),
        ("sources.url", ["u"], "sources.url", "there is no such field"),
        ("recipe.field", {}, "recipe.field", "there is no such field"),
        (f"{TITLE}.csss", "a", f"{TITLE}.csss", "there is no such field"),
        ("limits.max_job", 1, "limits.max_job", "there is no such field"),
        ("politeness.delay", 1, "politeness.delay", "there is no such field"),
        ("version", 1, "version", "there is no such field"),
    ],
)
def test_crawl_fault_has_path_and_message(path: str, value: object, where: str, message: str) -> None:
    """The error for an invalid crawl gives the path of the fault and a message."""
    [(found, why)] = faults_of(changed(CRAWL, path, value))
    assert found == where
    assert message in why


@pytest.mark.parametrize("path", ["name", "sources", "recipe", "recipe.name", "recipe.fields"])
def test_missing_required_field_of_crawl_is_reported(path: str) -> None:
    """The error for a missing field gives the field's path."""
    assert faults_of(without(CRAWL, path)) == [(path, "missing")]


def test_one_error_reports_all_faults_of_a_crawl() -> None:
    """One error lists the paths of all faults of a crawl."""
    faults = faults_of(
        {
            "name": "Books",
            "sources": {"sitemap": "ftp://x/"},
            "recipe": {
                "name": "book",
                "fields": {"a": {"css": "["}, "b": {}, "c": {"css": "a", "re": "("}, "d": {"cs": "a"}},
            },
            "limits": {"max_jobs": 0},
            "politness": {},
        }
    )
    assert [path for path, _ in faults] == [
        "name",
        "sources.sitemap",
        "recipe.fields.a.css",
        "recipe.fields.b",
        "recipe.fields.c.re",
        "recipe.fields.d.cs",
        "limits.max_jobs",
        "politness",
    ]


@given(st.data())
def test_unknown_field_of_crawl_is_reported_with_its_path(data: st.DataObject) -> None:
    """An unknown field is rejected at every level of a crawl."""
    prefixes = ["", "sources.", "recipe.", "recipe.fields.title.", "limits.", "politeness."]
    path = data.draw(st.sampled_from(prefixes)) + "unheard_of"
    assert faults_of(changed(CRAWL, path, 1)) == [(path, "there is no such field")]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("name", date(2026, 11, 22), "name"),
        ("recipe.fields.title.default", date(2026, 11, 22), "recipe.fields.title.default"),
        ("recipe.fields.title.default", float("nan"), "recipe.fields.title.default"),
        ("recipe.fields", {7: {"css": "a"}}, "recipe.fields.7.[key]"),
    ],
)
def test_value_that_json_cannot_represent_is_reported(path: str, value: object, where: str) -> None:
    """Dates, NaN and keys that are not strings, which YAML allows, are rejected in a crawl."""
    with pytest.raises(UnreadableCrawl) as caught:
        Crawl.from_document(changed(CRAWL, path, value), CHECKS)
    assert [fault.path for fault in caught.value.faults] == [where]


def test_document_that_contains_itself_is_rejected() -> None:
    """A document that contains itself, which YAML's anchors allow, is rejected in finite time."""
    ring: list[object] = []
    ring.extend([ring, ring])
    with pytest.raises(UnreadableCrawl, match="nested too deeply"):
        Crawl.from_document(changed(CRAWL, "recipe.fields.title.default", ring), CHECKS)


def test_from_document_and_decode_read_the_same_crawl() -> None:
    """`from_document` (used for YAML) and `decode` (used for JSON) return the same crawl."""
    assert Crawl.from_document(CRAWL, CHECKS) == Crawl.decode(json.dumps(CRAWL).encode(), CHECKS)


@pytest.mark.parametrize(
    ("path", "suggested"),
    [
        ("politness", "politeness"),
        ("Recipe", "recipe"),
        ("sources.sitemp", "sitemap"),
        ("recipe.itms", "items"),
        ("recipe.fields.title.tpye", "type"),
        ("recipe.fields.type.csss", "css"),
        ("limits.max_job", "max_jobs"),
    ],
)
def test_unknown_key_names_the_nearest_known_key(path: str, suggested: str) -> None:
    """The fault of an unknown key names the nearest key of the same object."""
    document = changed(CRAWL, "recipe.fields.type", {"css": "b"})
    assert faults_of(changed(document, path, "x"))[-1] == (
        path,
        f"there is no such field; did you mean {suggested}?",
    )
