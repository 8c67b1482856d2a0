"""Calculates what more instances need of Google Cloud's quotas, and prints it: `python -m benchmarks.scale`.

docs/scale.md has the tables and the sources of the limits; a test compares them. Pure, apart from `main`.
"""

import math
from typing import Final, NamedTuple

from console.money.model import DEMO_SIZES, Crawling, bill, instance_seconds

#: Outstanding pushes of one subscription while pages take more than a second:
#: https://cloud.google.com/pubsub/docs/push
PUSH_WINDOW = 3_000
#: https://cloud.google.com/nat/docs/ports-and-addresses
NAT_PORTS = 64_512
INSTANCES = (10, 40, 100, 1_000, 10_000)
VCPUS, MEMORY_GIB, PAGE_SLOTS = 2, 2, 80  #: an instance of terraform/examples/large.tfvars
DAY_SECONDS = 86_400
MILLION = 1_000_000


class Fleet(NamedTuple):
    """What a number of instances do and need, if all their page slots are taken.

    Attributes:
        instances: number of instances.
        pages: pages per second.
        open_pages: number of pages that are open at the same time.
        subscriptions: number of push subscriptions for so many open pages.
        one_subscription: pages per second with a single push subscription.
        push_mb: megabytes of jobs that Pub/Sub pushes per second.
        publish_mb: megabytes of outcomes that the workers publish per second.
        rows_mb: megabytes of rows that BigQuery subscriptions write per second.
        addresses: number of addresses of Cloud NAT, if it is used.
        dollars: dollars per hour.
    """

    instances: int
    pages: float
    open_pages: float
    subscriptions: int
    one_subscription: float
    push_mb: float
    publish_mb: float
    rows_mb: float
    addresses: int
    dollars: float


def fleet(instances: int, page_seconds: float) -> Fleet:
    """Return what `instances` do and need for pages of more than a second."""
    crawling = Crawling(page_seconds, PAGE_SLOTS, vcpus=VCPUS, memory_gib=MEMORY_GIB)
    pages = instances / instance_seconds(crawling)
    open_pages = pages * (page_seconds + crawling.overhead_seconds)
    subscriptions = math.ceil(instances * PAGE_SLOTS / PUSH_WINDOW)
    # Cloud NAT gives an instance a power of two of ports, and each open page needs one.
    ports = 2 ** math.ceil(math.log2(PAGE_SLOTS))
    return Fleet(
        instances,
        pages,
        open_pages,
        subscriptions,
        min(pages, PUSH_WINDOW / (page_seconds + crawling.overhead_seconds)),
        pages * DEMO_SIZES.job / MILLION,
        pages * DEMO_SIZES.outcome / MILLION,
        pages * DEMO_SIZES.rows / MILLION,
        math.ceil(instances * ports / NAT_PORTS),
        sum(bill(crawling, pages * 3600).values()),
    )


def growth_table(page_seconds: float = 2) -> str:
    """Return what fleets of different sizes do and need, as Markdown."""
    columns = (
        *("instances", "vCPUs", "pages/s", "pages a day", "push subscriptions needed", "pages/s with one"),
        *(
            "pushed, MB/s",
            "published, MB/s",
            "rows, MB/s",
            "NAT addresses",
            "$ an hour",
            "$ per million pages",
        ),
    )
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for each in (fleet(instances, page_seconds) for instances in INSTANCES):
        cells = (
            f"{each.instances:,}",
            f"{each.instances * VCPUS:,}",
            f"{each.pages:,.0f}",
            f"{each.pages * DAY_SECONDS / MILLION:,.0f} million",
            f"{each.subscriptions:,}",
            f"{each.one_subscription:,.0f}",
            f"{each.push_mb:,.1f}",
            f"{each.publish_mb:,.1f}",
            f"{each.rows_mb:,.1f}",
            f"{each.addresses:,}",
            f"{each.dollars:,.2f}",
            f"{each.dollars / each.pages / 3600 * MILLION:,.2f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


TABLES: Final = {"growth": growth_table}


def main() -> None:
    """Print the tables of docs/scale.md, each between its markers."""
    for name, table in TABLES.items():
        print(f"<!-- {name} -->\n{table()}\n<!-- /{name} -->\n")


if __name__ == "__main__":
    main()
