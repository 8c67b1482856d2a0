"""However often triggers and shards are repeated or fail, the ledger ends with the same complete dispatch."""

import random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.shard import Shard
from contract.topology import DISPATCH_TOPIC, JOBS_TOPIC
from extraction.selectors import CHECKS
from publishing.publisher import Message, PublishUnconfirmed
from tests.console.ledger.rows import Row, database_with, publish_time, query_view
from tests.dispatcher.sharded_run import ShardedRun

URLS = 2_600  # a template has a place at which a request can end after each 1,000 URLs
SOURCES: dict[str, object] = {
    "urls": ["nonsense"],
    "template": f"https://shop.example/{{1..{URLS}}}",
}
FEW_EXAMPLES = settings(max_examples=15, deadline=None)  # few, because each example makes thousands of jobs


class Delivery(NamedTuple):
    """A request to the dispatcher.

    Attributes:
        shard: which of the shards that were published so far is pushed; 0 for the trigger.
        fails: the topic that does not confirm: `jobs`, `topic` (of shards and end records), or `""`.
        confirmed: number of jobs that are confirmed nevertheless.
    """

    shard: int
    fails: str
    confirmed: int


DELIVERIES = st.lists(
    st.builds(
        Delivery, st.integers(0, 3), st.sampled_from(["", "jobs", "topic"]), st.sampled_from([0, 1, 700])
    ),
    max_size=5,
)


def deliver(run: ShardedRun, delivery: Delivery) -> None:
    """Send the trigger or push a shard, if there is such a shard."""
    error = PublishUnconfirmed(delivery.fails, "no response in time")
    run.jobs.error = error if delivery.fails == "jobs" else None
    run.jobs.error_from = delivery.confirmed
    run.topic.error = error if delivery.fails == "topic" else None
    if not delivery.shard:
        run.first()
    elif delivery.shard <= len(run.shards):
        run.push(Shard.decode(run.shards[delivery.shard - 1].data, CHECKS))
    run.jobs.error = run.topic.error = None


def rows_of(topic: str, messages: list[Message]) -> list[Row]:
    """Return the rows of published messages, each of which has its own id and time."""
    return [
        Row(topic, "s", f"{topic}-{number}", publish_time(number / 1000), message.attributes, message.data)
        for number, message in enumerate(messages)
    ]


@FEW_EXAMPLES
@given(DELIVERIES, DELIVERIES, st.integers(0, 99))
def test_dispatch_is_complete_after_any_repeated_and_failed_requests(
    before: list[Delivery], after: list[Delivery], seed: int
) -> None:
    """Once each request has succeeded, the run is complete, and its counts are those of one dispatch."""
    run = ShardedRun(SOURCES, max_urls=1, run_id="run")
    for delivery in before:
        deliver(run, delivery)
    body = run.first()
    while body.get("continues"):
        body = run.next()
    for delivery in after:
        deliver(run, delivery)
    rows = rows_of(JOBS_TOPIC, run.jobs.published) + rows_of(DISPATCH_TOPIC, run.topic.published)
    random.Random(seed).shuffle(rows)
    with database_with(rows) as connection:
        [found] = query_view(connection, "run_dispatches")
    assert (found["state"], found["dispatches"], found["requests"]) == ("complete", 1, 4)
    assert (found["found"], found["rejected"], found["unread"]) == (URLS + 1, 1, 0)
    assert found["published"] == found["recorded"] == URLS
