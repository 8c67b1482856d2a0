"""The prices and the arithmetic of docs/how-to/cost.md."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cost import READ_ON, Crawling, bill, bill_table, instance_seconds, price_table
from tests.repository.tree import ROOT

DOCUMENT = (ROOT / "docs" / "how-to" / "cost.md").read_text(encoding="utf-8")
SECOND = Crawling(latency_seconds=1, concurrency=10)


def between(marker: str) -> str:
    """Return the text of docs/how-to/cost.md between the two markers of that name."""
    found = re.search(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", DOCUMENT, re.DOTALL)
    assert found, f"docs/how-to/cost.md has no {marker}"
    return found[1]


def test_the_cost_page_shows_the_computed_tables() -> None:
    """If this fails, copy the output of `python -m benchmarks.cost` into docs/how-to/cost.md."""
    assert between("prices") == price_table()
    assert between("bill") == bill_table()
    assert READ_ON in DOCUMENT


def test_the_bill_of_pages_of_1_s_equals_a_bill_computed_by_hand() -> None:
    """1,000,000 pages of 1 s, ten at once on 1 vCPU and 1 GiB."""
    costs = bill(SECOND)
    # 1.05 s are billed as 1.1; a tenth of an instance each: 110,000 s
    assert costs["worker"] == pytest.approx(110_000 * 0.000024 + 110_000 * 0.0000025 + 0.40)
    # A job published and pushed and an outcome published: 3,900 bytes a page at $40 for 2**40
    assert costs["Pub/Sub"] == pytest.approx(3.9e9 / 1_099_511_627_776 * 40)
    assert costs["logs"] == pytest.approx(2e9 / 1_073_741_824 * 0.5)


def test_a_small_message_is_billed_as_a_thousand_bytes() -> None:
    """Each push is a request, and Pub/Sub bills at least 1,000 bytes a request."""
    tiny, small = (bill(replace(SECOND, job_bytes=size))["Pub/Sub"] for size in (100, 1_000))
    published = 900 * 1e6 / 2**40 * 40  # only the batched publishing is cheaper
    assert small - tiny == pytest.approx(published)


@given(
    st.floats(0.1, 30),
    st.integers(1, 80),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.floats(0.001, 1.0),
    st.integers(1, 5),
)
def test_more_at_once_never_costs_more(
    latency: float, concurrency: int, vcpus: float, processor: float, attempts: int
) -> None:
    """One page more at once costs the same or less, and never less than the processor time."""
    crawling = Crawling(latency, concurrency, vcpus=vcpus, processor_seconds=processor, attempts=attempts)
    denser = replace(crawling, concurrency=concurrency + 1)
    assert instance_seconds(denser) <= instance_seconds(crawling)
    assert instance_seconds(denser) * vcpus >= processor * 0.999999
    assert sum(bill(denser).values()) <= sum(bill(crawling).values())
