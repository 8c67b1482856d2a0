"""Tests of the arithmetic of `scrapeq plan`, and of its warnings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.report.durations import duration
from console.report.plan import (
    lane_period,
    plan_lines,
    plan_run,
    plan_warnings,
    total_backoff,
)
from console.stack.services import AckPolicy, DeliveryPolicy
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from localpubsub.backlog.retry_policy import RetryPolicy

RECIPE = {"name": "page", "fields": {"title": {"css": "h1"}}}


def crawl_of(*urls: str, sitemap: str | None = None, **fields: object) -> Crawl:
    """Return a crawl of these URLs and this sitemap; `fields` are added."""
    sources = {"urls": urls, "sitemap": sitemap}
    return Crawl.from_document({"name": "shop", "sources": sources, "recipe": RECIPE} | fields, CHECKS)


def pages(count: int, host: str = "shop.example") -> list[str]:
    """Return the URLs of different pages of a host."""
    return [f"https://{host}/{number}" for number in range(count)]


def warnings(crawl: Crawl, ack_policy: AckPolicy = AckPolicy.SUCCESS, **delivery: int) -> list[str]:
    """Return the warnings for a crawl."""
    return list(plan_warnings(plan_run(crawl), ack_policy, DeliveryPolicy(**delivery)))


def test_plan_counts_the_jobs_that_the_dispatcher_makes() -> None:
    """Invalid URLs, duplicates and URLs over the limit make no job; the hosts are those of the jobs."""
    urls = [
        *pages(3),
        "https://shop.example/0#top",
        "ftp://shop.example/",
        "https://b.example/",
        "https://c.example/",
    ]
    plan = plan_run(crawl_of(*urls, limits={"max_jobs": 4}))
    assert (plan.pages, plan.invalid, plan.duplicates, plan.over_limit) == (4, 1, 1, 1)
    assert [(host.host, host.pages) for host in plan.hosts] == [("shop.example", 3), ("b.example", 1)]
    assert next(plan_lines(plan)) == "URLs without a job: 1 invalid, 1 duplicates, 1 over the limit."


def test_one_lane_takes_the_delay_between_its_pages() -> None:
    """61 pages with a delay of 2 s take at least 120 s: the first one need not wait."""
    plan = plan_run(crawl_of(*pages(61), *pages(3, "b.example"), politeness={"delay_seconds": 2}))
    assert [(host.host, host.seconds) for host in plan.hosts] == [("shop.example", 120), ("b.example", 4)]


@given(st.integers(1, 8), st.integers(1, 200))
def test_lanes_share_the_delay_of_their_host(lanes: int, count: int) -> None:
    """With several lanes the host still gets one request per delay, and the fullest lane decides."""
    plan = plan_run(crawl_of(*pages(count), politeness={"delay_seconds": 3, "per_host": lanes}))
    [host] = plan.hosts
    assert lane_period(plan.crawl) == 3 * lanes
    assert host.seconds >= 3 * (count - lanes)
    assert host.seconds % (3 * lanes) == 0


def test_plan_counts_the_urls_of_templates_and_filters() -> None:
    """Templates are expanded up to the first URL beyond the limit, and patterns leave URLs out."""
    sources = {
        "urls": pages(2),
        "template": ["https://shop.example/{0..3}", "https://b.example/{1..1000000}"],
        "exclude": ["*/3"],
        "site": "https://shop.example/",
        "sitemaps": ["https://shop.example/s.xml"],
    }
    crawl = Crawl.from_document(
        {"name": "shop", "sources": sources, "recipe": RECIPE, "limits": {"max_jobs": 10}}, CHECKS
    )
    plan = plan_run(crawl)
    assert plan.sources == {"sources.urls": 2, "sources.template.0": 1, "sources.template.1": 7}
    assert (plan.pages, plan.duplicates, plan.filtered, plan.over_limit) == (10, 2, 2, 1)
    lines = list(plan_lines(plan))
    assert lines[1] == "Pages by source: sources.urls 2, sources.template.0 1, sources.template.1 7."
    assert lines[2].startswith("sources.sitemaps and sources.site are read at the dispatch: they add up to 0")


def test_secrets_and_the_proxy_of_a_crawl_are_named() -> None:
    """The plan says which secrets and which proxy the worker must have, and for which origins."""
    request = {
        "headers": {"Authorization": "Bearer {secret:TOKEN}"},
        "cookies": {"session": "{secret:SESSION}"},
        "proxy": "http://{secret:LOGIN}@proxy.example:3128",
    }
    hosts = [f"https://{name}.example/" for name in "abcd"]
    *_, secrets, proxy, _ = plan_lines(plan_run(crawl_of(*hosts, "https://a.example/2", request=request)))
    assert secrets == (
        "The worker must have the secrets SESSION and TOKEN for https://a.example, https://b.example, "
        "https://c.example and 1 more (FETCH_SECRETS); else its jobs fail."
    )
    assert proxy == (
        "The worker must allow the proxy http://{secret:LOGIN}@proxy.example:3128 (FETCH_PROXIES), and must "
        "have the secret LOGIN for it (FETCH_SECRETS); else its jobs fail."
    )


def test_file_of_this_machine_is_said_to_be_read_here() -> None:
    """The plan of a crawl with a local file says that only `scrapeq dispatch` can read it."""
    sources = {"urls_file": {"url": "urls.txt"}}
    crawl = Crawl.from_document({"name": "shop", "sources": sources, "recipe": RECIPE}, CHECKS)
    assert "`scrapeq dispatch` reads urls.txt from this machine; Cloud Scheduler cannot." in [
        *plan_lines(plan_run(crawl))
    ]


def test_sitemap_and_listings_are_described_by_their_limits() -> None:
    """The pages that are not known yet are described by max_jobs, max_pages and the delay."""
    crawl = crawl_of(
        "https://shop.example/",
        sitemap="https://shop.example/sitemap.xml",
        recipe=RECIPE | {"next": "a.next", "max_pages": 200},
        politeness={"delay_seconds": 2},
        limits={"max_jobs": 1001},
    )
    sitemap, listings = plan_lines(plan_run(crawl))
    assert "adds up to 1,000 pages (limits.max_jobs); each page takes at least 2 s of its host." in sitemap
    assert "a listing of up to 200 pages, one after the other, which takes at least 6 min 38 s." in listings


def test_success_warns_how_long_a_failing_page_blocks_its_lane() -> None:
    """With `success` and a lane, the warning has the time of all attempts; with `settled` there is none."""
    crawl = crawl_of(*pages(2), politeness={"delay_seconds": 1})
    [warning] = warnings(crawl)
    assert warning == (
        "A page that keeps failing blocks its host for about 41 min (10 attempts); "
        "with ACK_POLICY=settled the other pages go on at once."
    )
    assert warnings(crawl, AckPolicy.SETTLED) == []
    shared = crawl_of(*pages(2), politeness={"per_host": 4})
    [warning] = warnings(shared, max_delivery_attempts=5, maximum_backoff_seconds=30)
    assert "blocks one of the 4 lanes of its host for about 1 min 30 s (5 attempts)" in warning


@pytest.mark.parametrize("policy", AckPolicy)
def test_run_that_lasts_longer_than_the_retention_is_warned_about(policy: AckPolicy) -> None:
    """If a host's pages take more than 7 days, Pub/Sub would drop the last jobs."""
    too_long = crawl_of(*pages(10_000), politeness={"delay_seconds": 60.0}, limits={"max_jobs": 10_000})
    assert not any("7 days" in line for line in warnings(too_long, policy))  # 6 d 22 h 39 min
    too_long = crawl_of(*pages(10_000), politeness={"delay_seconds": 60, "per_host": 100})
    assert any(
        line.startswith("shop.example needs ") and "7 days" in line for line in warnings(too_long, policy)
    )


def test_lane_whose_turn_is_beyond_the_wait_of_a_delivery_is_warned_about() -> None:
    """If a lane may send a request less often than a delivery can wait, jobs would be given back."""
    crawl = crawl_of(*pages(2), politeness={"delay_seconds": 10, "per_host": 2})
    assert len(warnings(crawl)) == 1
    _, warning = warnings(crawl, ack_deadline_seconds=60)
    assert warning.startswith("A lane may send a request every 20 s, but a delivery waits for at most 13 s")


def test_host_whose_jobs_cannot_wait_for_a_crawl_delay_is_warned_about() -> None:
    """Without limits in the crawl, jobs wait in the worker: 10 deliveries last about 2 hours."""
    assert warnings(crawl_of(*pages(700))) == []
    [warning] = warnings(crawl_of(*pages(1000)))
    assert warning == (
        "shop.example has 1,000 pages, and a job waits for its host for at most 1 h 59 min (10 deliveries): "
        "with a Crawl-delay above 7.2 s in its robots.txt, some pages would not be requested; set "
        "politeness.delay_seconds."
    )
    assert warnings(crawl_of(*pages(1000)), AckPolicy.SETTLED) == []


@given(st.integers(5, 100), st.integers(0, 600), st.integers(0, 600))
def test_total_backoff_is_that_of_pubsub(attempts: int, minimum: int, maximum: int) -> None:
    """The sum of the backoffs is that of localpubsub's retry policy."""
    delivery = DeliveryPolicy(600, attempts, minimum, maximum)
    pubsub = RetryPolicy(minimum, maximum)
    assert total_backoff(delivery) == pytest.approx(sum(pubsub.delay(n) for n in range(1, attempts)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.2, "1 s"), (59, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (599, "9 min 59 s"),
        (605, "10 min"), (3600, "1 h"), (4020, "1 h 7 min"), (90_000, "1 d 1 h"), (86_430, "1 d"),
    ],
)  # fmt: skip
def test_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    """A duration is shown with its two largest units, and without seconds from 10 minutes on."""
    assert duration(seconds) == text
