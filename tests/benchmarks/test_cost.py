"""Tests of the prices and the calculations of docs/how-to/cost.md."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cost import READ_ON, Crawling, bill, bill_table, instance_seconds, price_table
from tests.repository.tree import ROOT

COST_PAGE = (ROOT / "docs" / "how-to" / "cost.md").read_text(encoding="utf-8")
PAGES_OF_1_S = Crawling(latency_seconds=1, concurrency=10)


def section(marker: str) -> str:
    """Return the text of docs/how-to/cost.md between `<!-- marker -->` and `<!-- /marker -->`."""
    found = re.search(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", COST_PAGE, re.DOTALL)
    assert found, f"docs/how-to/cost.md has no markers named {marker}"
    return found[1]


def test_cost_page_shows_the_computed_tables() -> None:
    """The tables in docs/how-to/cost.md are those that `python -m benchmarks.cost` prints."""
    assert section("prices") == price_table()
    assert section("bill") == bill_table()
    assert READ_ON in COST_PAGE


def test_bill_of_pages_of_1_s_equals_a_calculation_by_hand() -> None:
    """The bill of 1,000,000 pages of 1 s, ten at a time on 1 vCPU and 1 GiB, is as computed in this test."""
    costs = bill(PAGES_OF_1_S)
    # 1.05 s are billed as 1.1 s. Ten pages share an instance: 110,000 s of instances in all.
    assert costs["worker"] == pytest.approx(110_000 * 0.000024 + 110_000 * 0.0000025 + 0.40)
    # A job is published and pushed, an outcome is published: 3,900 bytes per page, at $40 per 2**40 bytes.
    assert costs["Pub/Sub"] == pytest.approx(3.9e9 / 1_099_511_627_776 * 40)
    assert costs["logs"] == pytest.approx(2e9 / 1_073_741_824 * 0.5)


def test_small_message_is_billed_as_1000_bytes() -> None:
    """The push of a job of 100 bytes costs as much as the push of one of 1,000 bytes."""
    tiny, small = (bill(replace(PAGES_OF_1_S, job_bytes=size))["Pub/Sub"] for size in (100, 1_000))
    # Only publishing becomes cheaper, because a request publishes a batch of messages.
    published = 900 * 1e6 / 2**40 * 40
    assert small - tiny == pytest.approx(published)


@given(
    st.floats(0.1, 30),
    st.integers(1, 80),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.floats(0.001, 1.0),
    st.integers(1, 5),
)
def test_higher_concurrency_never_costs_more(
    latency: float, concurrency: int, vcpus: float, processor: float, attempts: int
) -> None:
    """With one more page at the same time, the bill is not higher, and the processor time is still paid."""
    crawling = Crawling(latency, concurrency, vcpus=vcpus, processor_seconds=processor, attempts=attempts)
    denser = replace(crawling, concurrency=concurrency + 1)
    assert instance_seconds(denser) <= instance_seconds(crawling)
    assert instance_seconds(denser) * vcpus >= processor * 0.999999
    assert sum(bill(denser).values()) <= sum(bill(crawling).values())
