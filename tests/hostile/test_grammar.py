"""Tests recipes that are drawn from a grammar: their extraction ends with a result or a limit on any page."""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from contract.faults import UnreadableRecipe
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.errors import ExtractionError
from extraction.extract_items import decode_result, encode_request
from extraction.page import SavedPage
from extraction.selectors import CHECKS
from process_pool.limits import Limits
from process_pool.pool import CpuLimitExceeded, Level, MemoryLimitExceeded, ProcessPool, RealTime
from process_pool.processes import ForkServerProcess
from tests.hostile.grammar import fields
from tests.hostile.pages import PAGES, HostilePage
from tests.servers.waiting import MAX_WAIT_SECONDS

PAGE_BYTES = 50_000
REASONS = {Reason.TOO_LARGE, Reason.MISSING_FIELD, Reason.BAD_VALUE, Reason.BAD_RECIPE, Reason.CHARSET}
LIMITS = Limits(cpu_seconds=0.1, memory_bytes=64 * 1024 * 1024)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    """A pool of one process that extracts pages."""
    server = ForkServerProcess("extraction.extract_items:run")
    server.ensure_started()
    pool = ProcessPool(server, [Level(1, LIMITS)])
    yield pool
    pool.close()


@lru_cache
def page(name: str) -> HostilePage:
    """Return a small hostile page."""
    return PAGES[name](PAGE_BYTES)


def check(pool: ProcessPool, field: dict[str, Any], name: str) -> None:
    """Extract a field from a page; an exception of another kind than the expected ones fails the test."""
    markup = "xml" if name.startswith("XML") else "html"
    try:
        recipe = Recipe.from_document({"name": "r", "markup": markup, "fields": {"value": field}}, CHECKS)
    except UnreadableRecipe:
        reject()  # the dispatcher refuses it
    content_type, body = page(name)
    request = encode_request(recipe, SavedPage("https://a.example/", content_type, body), may_be_empty=False)
    with suppress(CpuLimitExceeded, MemoryLimitExceeded):
        result = pool.call(request, body, RealTime(MAX_WAIT_SECONDS))
        try:
            items = decode_result(result).items
        except ExtractionError as error:
            assert error.reason in REASONS  # noqa: PT017 - a success is valid, too
        else:
            assert [*json.loads(items)[0]] == ["value"]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(field=fields(), name=st.sampled_from(sorted(PAGES)))
def test_extraction_by_any_recipe_ends_with_a_result_or_a_limit(
    pool: ProcessPool, field: dict[str, Any], name: str
) -> None:
    """No recipe and page of the grammar kills a child otherwise than by a limit, or raises an exception."""
    check(pool, field, name)
