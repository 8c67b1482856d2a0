"""Shows the time and the cost of a crawl before it runs, and compares both with its limits. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from console.money.forecast import (
    HIGH,
    LIKELY,
    LOW,
    NOT_INCLUDED,
    Forecast,
    dollars,
    forecast,
    prices_line,
    pushes,
)
from console.report.durations import duration
from console.report.plan import RunPlan
from console.report.tables import text_table
from console.terminal import TextTable

UNKNOWN_PAGES = 1000  #: number of pages for which the cost of a source is shown that is not read yet


def plan_forecast(plan: RunPlan) -> Forecast:
    """Return what the known jobs of a crawl cost."""
    return forecast(plan.pages, plan.job_bytes, plan.hosts[0].seconds if plan.hosts else 0.0)


def unread_sources(plan: RunPlan) -> list[str]:
    """Return the sources of a crawl whose pages are not known before they are read."""
    names = ("urls_file", "sitemap", "sitemaps", "site")
    return [f"sources.{name}" for name in names if getattr(plan.crawl.sources, name)]


def cost_lines(plan: RunPlan, now: datetime) -> Iterator[str]:
    """Yield sentences about the duration, the pushes and the cost of a crawl that starts now."""
    if plan.pages:
        longest = plan.hosts[0]
        if longest.seconds:
            end = (now + timedelta(seconds=longest.seconds)).astimezone(UTC)
            yield (
                f"Earliest finish: {duration(longest.seconds)} after the start, because of {longest.host}; "
                f"if it starts now, {end:%Y-%m-%d %H:%M} UTC."
            )
        low, likely, high = pushes(plan.pages)
        yield f"Pushes: low {low:,}, likely {likely:,}, high {high:,}."
        yield f"Cost on Google Cloud: {plan_forecast(plan)}."
    sources = unread_sources(plan)
    if sources or plan.crawl.recipe.next is not None:
        what = " and ".join([*sources, *(["recipe.next"] * (plan.crawl.recipe.next is not None))])
        each = forecast(UNKNOWN_PAGES, plan.job_bytes, 0)
        yield f"The pages of {what} are not known before they are read: each {UNKNOWN_PAGES:,} cost {each}."
    yield f"Assumed: low: {LOW}; likely: {LIKELY}; high: {HIGH}."
    yield f"{NOT_INCLUDED} {prices_line(now.date())}"


def plan_json(plan: RunPlan, now: datetime) -> dict[str, Any]:
    """Return the numbers of a plan as an object of JSON; dollars and seconds are not rounded."""
    longest = plan.hosts[0].seconds if plan.hosts else 0.0
    finish = (now + timedelta(seconds=longest)).astimezone(UTC)
    return {
        "crawl": plan.crawl.name,
        "pages": plan.pages,
        "hosts": [vars(host) for host in plan.hosts],
        "sources": plan.sources,
        "unread_sources": unread_sources(plan),
        "invalid": plan.invalid,
        "duplicates": plan.duplicates,
        "filtered": plan.filtered,
        "over_limit": plan.over_limit,
        "seconds": longest,
        "earliest_finish": finish.isoformat() if plan.pages else None,
        "pushes": dict(zip(("low", "likely", "high"), pushes(plan.pages), strict=True)),
        "usd": vars(plan_forecast(plan)),
        "refused": list(limit_faults(plan, now)),
    }


def limit_faults(plan: RunPlan, now: datetime) -> Iterator[str]:
    """Yield a sentence for each limit that the run would certainly or probably exceed."""
    limits = plan.crawl.limits
    if limits.usd is not None and (likely := plan_forecast(plan).likely) > limits.usd:
        yield (
            f"limits.usd is {dollars(limits.usd)}, but the run likely costs {dollars(likely)}: raise the "
            "limit, or dispatch fewer pages."
        )
    if limits.until is None:
        return
    until = f"{limits.until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if limits.until <= now:
        yield f"limits.until is {until}, which has passed."
        return
    longest = max((host.seconds for host in plan.hosts), default=0.0)
    if longest > (limits.until - now).total_seconds():
        yield (
            f"limits.until is {until}, but {plan.hosts[0].host} needs {duration(longest)} because of "
            "politeness.delay_seconds: set a later time, or dispatch fewer pages."
        )


def limit_warnings(plan: RunPlan) -> Iterator[str]:
    """Yield a sentence for each limit that the run may reach."""
    limits = plan.crawl.limits
    if limits.usd is not None:
        cost = plan_forecast(plan)
        if cost.likely <= limits.usd < cost.high:
            yield (
                f"limits.usd is {dollars(limits.usd)}, and the run may cost {dollars(cost.high)}: it is "
                "cancelled when its bill reaches the limit."
            )
        if unread := unread_sources(plan):
            yield f"limits.usd is compared without the pages of {' and '.join(unread)}."
    if limits.usd is not None or limits.bytes is not None:
        yield (
            "limits.usd and limits.bytes are kept while `scrapeq up`, `scrapeq dispatch --wait` or "
            "`scrapeq wait` watches the run."
        )


def plan_table(plan: RunPlan) -> TextTable:
    """Return a table of the hosts of a crawl: pages, lanes, and the time that the crawl's delay costs."""
    lanes = plan.crawl.politeness.lanes
    table = text_table("host", "pages", "at the same time", "takes at least")
    for host in plan.hosts:
        time = duration(host.seconds) if host.seconds else ""
        table.add_texts(host.host, str(host.pages), str(lanes or "any"), time)
    return table
