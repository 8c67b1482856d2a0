"""Tests of the prices and the calculations of docs/how-to/cost.md."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cost import TABLES
from benchmarks.message_sizes import measure
from console.money.model import DEMO_SIZES, Crawling, bill, instance_seconds
from console.money.prices import PRICES
from tests.repository.tree import ROOT

COST_PAGE = (ROOT / "docs" / "how-to" / "cost.md").read_text(encoding="utf-8")
METADATA = {"subscription_name", "message_id", "publish_time", "attributes"}
PAGES_OF_1_S = Crawling(latency_seconds=1, concurrency=10)


def section(marker: str) -> str:
    """Return the text of docs/how-to/cost.md between `<!-- marker -->` and `<!-- /marker -->`."""
    found = re.search(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", COST_PAGE, re.DOTALL)
    assert found, f"docs/how-to/cost.md has no markers named {marker}"
    return found[1]


@pytest.mark.parametrize("name", TABLES)
def test_cost_page_shows_the_computed_table(name: str) -> None:
    """The table in docs/how-to/cost.md is the one that `python -m benchmarks.cost` prints."""
    assert section(name) == TABLES[name]()


def test_every_price_has_a_page_and_a_day() -> None:
    """Each price names a page of Google Cloud and the day on which it was read, and all differ."""
    for price in PRICES:
        assert price.source.startswith("https://cloud.google.com/")
        assert date.fromisoformat(price.read) <= datetime.now(UTC).date()
    assert len({price.what for price in PRICES}) == len(PRICES)


def test_a_million_pages_of_1_s_cost_at_most_1_40_dollars() -> None:
    """With 80 pages of 1 s at the same time on 1 vCPU and 1 GiB, a million pages cost at most $1.40."""
    assert sum(bill(Crawling(latency_seconds=1, concurrency=80)).values()) <= 1.40


def test_bill_of_pages_of_1_s_equals_a_calculation_by_hand() -> None:
    """The bill of 1,000,000 pages of 1 s, ten at a time on 1 vCPU and 1 GiB, is as computed in this test."""
    sizes = replace(
        measure(), job=1_200, outcome=1_500, job_columns={"data": 1_100}, outcome_columns={"items": 1_400}
    )
    costs = bill(replace(PAGES_OF_1_S, sizes=sizes))
    # 1.05 s are billed as 1.1 s. Ten pages share an instance: 110,000 s of instances in all.
    assert costs["worker"] == pytest.approx(110_000 * 0.000024 + 110_000 * 0.0000025 + 0.40)
    # A job is published and pushed, an outcome is published: 3,900 bytes per page, at $40 per 2**40 bytes.
    assert costs["Pub/Sub"] == pytest.approx(3.9e9 / 1_099_511_627_776 * 40)
    # Jobs are kept for 7 of 30 days, outcomes for one, at $0.27 per 2**30 bytes and month.
    assert costs["kept messages"] == pytest.approx((1.2e9 * 7 + 1.5e9) / 30 / 1_073_741_824 * 0.27)
    # Both are written to BigQuery at $50 per 2**40 bytes, and stored for a month at $0.02 per 2**30 bytes.
    assert costs["ledger"] == pytest.approx(2.7e9 / 1_099_511_627_776 * 50 + 2.5e9 / 1_073_741_824 * 0.02)
    assert costs["logs"] == 0


def test_sizes_of_forecasts_are_those_that_are_measured() -> None:
    """`scrapeq plan` calculates with the sizes that the benchmark measures."""
    sizes = measure()
    assert (DEMO_SIZES.job, DEMO_SIZES.outcome, DEMO_SIZES.log_line) == (
        sizes.job,
        sizes.outcome,
        sizes.log_line,
    )
    assert round(DEMO_SIZES.rows) == round(sizes.rows)


def test_only_deliveries_that_fail_are_billed_as_logs() -> None:
    """With two attempts per page, the line of the worker and that of Cloud Run are paid once per page."""
    sizes = replace(measure(), log_line=500)
    costs = bill(replace(PAGES_OF_1_S, attempts=2, sizes=sizes))
    assert costs["logs"] == pytest.approx(1_500 * 1e6 / 2**30 * 0.5)


def test_small_message_is_billed_as_1000_bytes() -> None:
    """The push of a job of 100 bytes costs as much as the push of one of 1,000 bytes."""
    tiny, small = (
        bill(replace(PAGES_OF_1_S, sizes=replace(measure(), job=size)))["Pub/Sub"] for size in (100, 1_000)
    )
    # Only publishing becomes cheaper, because a request publishes a batch of messages.
    published = 900 * 1e6 / 2**40 * 40
    assert small - tiny == pytest.approx(published)


def test_measured_row_has_all_columns_of_its_table() -> None:
    """The measured rows have every column, and bodies that are smaller than the measured messages."""
    sizes = measure()
    assert sizes.job_columns.keys() == {"data", *METADATA}
    assert sizes.outcome_columns.keys() > {"items", "body_sha256", *METADATA}
    assert 0 < sizes.job_columns["data"] < sizes.job
    assert 500 < sizes.rows / 2 < 2_000


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
