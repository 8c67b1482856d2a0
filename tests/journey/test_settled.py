"""ACK_POLICY=settled with real processes: no attempt is spent on what an attempt will not mend."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.replay import replay
from console.stack.pubsub_setup import subscriber_client, subscription_path
from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from contract.job import Job
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.controlled_site import RETRY_AFTER_SECONDS, Site
from tests.servers.waiting import wait_for


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack whose worker settles; a redelivery would come after 10 s at the earliest."""
    with Stack(StackOptions(data=tmp_path / "data", ack_policy=AckPolicy.SETTLED)) as stack:
        yield stack


def test_a_page_that_is_not_there_is_asked_for_once_and_buried_with_its_reason(
    stack: Stack, site: Site
) -> None:
    """The letter is the job as it was, says why, and can be replayed."""
    # When a page that is not there is dispatched among others that are
    told = dispatch(stack, [f"{site.url}/missing", *site.pages(5)])
    accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded + now.dead == 6)
    # Then it is dead after one attempt, for its reason
    assert (accounting.succeeded, accounting.dead, accounting.in_flight) == (5, 1, 0)
    [dead] = wait_for(
        lambda: stack.ledger.dead(told["run_id"]), lambda found: bool(found and found[0].reason)
    )
    assert (dead.url, dead.attempts, dead.reason) == (f"{site.url}/missing", 1, "http_404")
    assert len(site.requests["/missing"]) == 1
    # And so says its letter, which still holds the job
    with subscriber_client(stack.pubsub_host) as subscriber:
        path = subscription_path(DEAD_LETTER_SUBSCRIPTION)
        answer = subscriber.pull(subscription=path, max_messages=10, timeout=20, retry=None)
        [letter] = answer.received_messages
        subscriber.modify_ack_deadline(
            subscription=path, ack_ids=[letter.ack_id], ack_deadline_seconds=0, timeout=120
        )
    assert Job.decode(letter.message.data).job_id == letter.message.attributes["job_id"] == dead.job_id
    said = [letter.message.attributes[name] for name in ("reason", "detail", "attempt")]
    assert said == ["http_404", "the site answered 404", "1"]
    # And a replay makes the job again, which is asked for again
    assert replay(stack.pubsub_host, lambda _: True).replayed == 1
    site.await_requests("/missing", 2)


def test_a_page_whose_site_says_later_is_scraped_later_with_no_attempt_spent(
    stack: Stack, site: Site
) -> None:
    """429 with Retry-After: the job is published again and waits; both deliveries are first attempts."""
    told = dispatch(stack, [f"{site.url}/later"])
    await_accounting(stack, told["run_id"], lambda now: now.succeeded == 1)
    # Then the site was left alone for as long as it asked
    first, second = site.requests["/later"]
    assert second - first >= RETRY_AFTER_SECONDS
    # And the ledger has the deferral with its reason, and one job
    [deferral] = stack.ledger.failures(told["run_id"])
    assert (deferral.outcome, deferral.reason, deferral.attempts) == ("deferred", "http_429", 1)
    [result] = stack.ledger.results(told["run_id"])
    assert [each.attempt for each in stack.ledger.attempts(told["run_id"], result.job_id)] == [1, 1]
    assert str(stack.ledger.accounting(told["run_id"])).endswith("succeeded=1 dead=0 in_flight=0")
