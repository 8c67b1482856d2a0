"""Provides small valid documents of each kind, and hypothesis strategies that generate more of them."""

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from contract.crawl import Crawl, Limits
from contract.fields import FieldType
from contract.job import Job, Politeness
from contract.job_id import identify
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS
from contract.recipe import Recipe, RecipeField
from contract.sources import UrlSources
from contract.urls import check_url

RECIPE: dict[str, Any] = {"name": "book", "fields": {"title": {"css": "h1::text"}}}
CRAWL: dict[str, Any] = {
    "name": "books",
    "sources": {"urls": ["https://books.example/1"]},
    "recipe": RECIPE,
}
JOB: dict[str, Any] = {
    "version": 1,
    "job_id": "0123456789abcdef0123456789abcdef",
    "run_id": "books-2026-11-22T06:00:00Z",
    "crawl": "books",
    "url": "https://books.example/1",
    "recipe": RECIPE,
    "politeness": {"delay_seconds": 0.5, "respect_robots": True},
    "dispatched_at": "2026-11-22T06:00:03.120Z",
}
OUTCOME: dict[str, Any] = {
    "version": 1,
    "job_id": "0123456789abcdef0123456789abcdef",
    "run_id": "books-2026-11-22T06:00:00Z",
    "crawl": "books",
    "url": "https://books.example/1",
    "attempt": 2,
    "outcome": "succeeded",
    "reason": "ok",
    "fetched_at": "2026-11-22T06:00:04Z",
    "items": '[{"title": "Faust"}]',
    "item_count": 1,
}
PUSH: dict[str, Any] = {
    "message": {"data": "QQ==", "attributes": {"host": "books.example"}, "messageId": "1"},
    "subscription": "projects/p/subscriptions/s",
    "deliveryAttempt": 1,
}


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy of `document` with the value at the dotted `path` set."""
    result = copy.deepcopy(document)
    *parents, last = path.split(".")
    parent = result
    for name in parents:
        parent = parent.setdefault(name, {})
    parent[last] = value
    return result


def without(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy of `document` without the key at the dotted `path`."""
    result = copy.deepcopy(document)
    *parents, last = path.split(".")
    parent = result
    for name in parents:
        parent = parent[name]
    del parent[last]
    return result


def as_bytes(document: object) -> bytes:
    """Return JSON in ASCII: lone surrogates are written as escapes, NaN as `NaN`."""
    return json.dumps(document).encode()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
any_texts = st.text(max_size=20) | st.sampled_from(["\ud800", "a\udfffb", "\0", "", " "])
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
run_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,40}", fullmatch=True)
crawl_names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
times = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis requires a time without a zone here
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - hypothesis requires a time without a zone here
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
unusual_json_values: st.SearchStrategy[Any] = st.recursive(
    json_values | any_texts | st.floats() | st.sampled_from([10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_texts, inner, max_size=3),
    max_leaves=5,
)
urls = st.builds(
    lambda scheme, host, path, query: check_url(f"{scheme}://{host}.example/{path}{query}"),
    st.sampled_from(["http", "https", "HTTPS"]),
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,10}", fullmatch=True),
    texts,
    st.just("") | st.builds("?{}={}".format, texts, texts),
)

_css = st.sampled_from(["h1::text", "a::attr(href)", "#main > .price", "li:nth-child(2)", "p, td"])
_xpath = st.sampled_from(["//h1/text()", "string(//a/@href)", "count(//li)", "//td[contains(., 'é')]"])
_re = st.none() | st.sampled_from([r"\d+", r"£([\d.]+)", "(?:a|b)", "(?P<value>x)"])


@st.composite
def recipe_fields(draw: st.DrawFn) -> RecipeField:
    """Draw a recipe field with one source; its other keys are drawn freely."""
    by_css = draw(st.booleans())
    required = draw(st.booleans())
    return RecipeField(
        css=draw(_css) if by_css else None,
        xpath=None if by_css else draw(_xpath),
        re=draw(_re),
        type=draw(st.sampled_from(FieldType)),
        many=draw(st.booleans()),
        required=required,
        default=None if required else draw(json_values),
    )


recipes = st.builds(
    Recipe,
    name=names,
    items=st.none() | _css.filter(lambda css: "::" not in css),
    fields=st.dictionaries(names, recipe_fields(), min_size=1, max_size=3),
)
politeness = st.builds(
    Politeness, delay_seconds=st.floats(0, 60), respect_robots=st.booleans(), per_host=st.integers(1, 100)
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Draw a job whose id is computed from its run, page and recipe, as in the dispatcher."""
    run_id, url, recipe = draw(run_ids), draw(urls), draw(recipes)
    return Job(
        job_id=identify(run_id, url, recipe),
        run_id=run_id,
        crawl=draw(crawl_names),
        url=url,
        recipe=recipe,
        politeness=draw(politeness),
        dispatched_at=draw(times),
        not_before=draw(st.none() | times),
        defers=draw(st.integers(0, 1000)),
    )


@st.composite
def outcomes(draw: st.DrawFn) -> OutcomeRecord:
    """Draw the record of an attempt that ended for any reason."""
    reason = draw(st.sampled_from(Reason))
    return OutcomeRecord(
        job_id=draw(st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
        run_id=draw(run_ids),
        crawl=draw(crawl_names),
        url=draw(urls),
        recipe=draw(names),
        attempt=draw(st.integers(0, 100)),
        outcome=REASON_MEANINGS[reason].outcome,
        reason=reason,
        final_url=draw(st.just("") | urls),
        http_status=draw(st.integers(0, 599)),
        fetched_at=draw(times),
        fetch_seconds=draw(st.floats(0, 600)),
        total_seconds=draw(st.floats(0, 600)),
        body_bytes=draw(st.integers(0, 10**9)),
        items=draw(texts),
        item_count=draw(st.integers(0, 1000)),
        detail=draw(texts),
        worker=draw(texts),
    )


crawls = st.builds(
    Crawl,
    name=crawl_names,
    run_id=st.none() | run_ids,
    sources=st.builds(
        UrlSources, urls=st.lists(texts, min_size=1, max_size=3).map(tuple), sitemap=st.none() | urls
    ),
    recipe=recipes,
    limits=st.builds(Limits, max_jobs=st.integers(1, 100_000)),
    politeness=politeness,
)


@st.composite
def mangled(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """Draw a copy of `document` in which one value, at any depth, is replaced by a random JSON value."""
    result: Any = copy.deepcopy(document)
    parent = result
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = draw(st.sampled_from(keys))
        inner = parent[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            break
        parent = inner
    parent[key] = draw(unusual_json_values)
    return as_bytes(result)
