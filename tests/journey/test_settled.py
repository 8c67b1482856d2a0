"""Tests of ACK_POLICY=settled with real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.dead_letters.processing import Selection
from console.dead_letters.replay import replay
from console.stack.pubsub_address import PubsubAddress
from console.stack.pubsub_setup import subscriber_client, subscription_path
from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from contract.job import Job
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.journey.dispatching import await_accounting, await_dead_jobs, dispatch
from tests.servers.controlled_site import RETRY_AFTER_SECONDS, Site


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Yield a stack with ACK_POLICY=settled; its backoff before a redelivery is at least 10 s."""
    with Stack(StackOptions(data=tmp_path / "data", ack_policy=AckPolicy.SETTLED)) as stack:
        yield stack


def test_404_is_dead_lettered_after_one_attempt_with_its_reason(stack: Stack, site: Site) -> None:
    """A job whose page gets a 404 is a dead letter after one attempt, has the reason, and can be replayed."""
    # When a missing page is dispatched together with other pages
    run_id = dispatch(stack.dispatcher_url, [f"{site.url}/missing", *site.pages(5)])
    accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 6)
    # Then its job is dead after one attempt, with its reason
    assert (accounting.succeeded, accounting.dead, accounting.in_flight) == (5, 1, 0)
    [dead] = await_dead_jobs(stack, run_id, 1)
    assert (dead.url, dead.attempts, dead.reason) == (f"{site.url}/missing", 1, "http_404")
    assert len(site.requests["/missing"]) == 1
    # And its dead letter has the reason and the job
    with subscriber_client(stack.pubsub_host) as subscriber:
        path = subscription_path(DEAD_LETTER_SUBSCRIPTION)
        response = subscriber.pull(subscription=path, max_messages=10, timeout=20, retry=None)
        [dead_letter] = response.received_messages
        subscriber.modify_ack_deadline(
            subscription=path, ack_ids=[dead_letter.ack_id], ack_deadline_seconds=0, timeout=20
        )
    message = dead_letter.message
    assert Job.decode(message.data).job_id == message.attributes["job_id"] == dead.job_id
    reason = [message.attributes[name] for name in ("reason", "detail", "attempt")]
    assert reason == ["http_404", "the site answered 404", "1"]
    # And a replay publishes the job again, and the page is requested again
    assert len(replay(PubsubAddress(stack.pubsub_host), Selection({message.message_id})).done) == 1
    site.await_requests("/missing", 2)


def test_429_with_retry_after_is_tried_again_after_that_time(stack: Stack, site: Site) -> None:
    """After a 429 the job is published again, waits for Retry-After, and succeeds at its second request."""
    run_id = dispatch(stack.dispatcher_url, [f"{site.url}/later"])
    await_accounting(stack, run_id, lambda now: now.succeeded == 1)
    # Then the next request came after the time in Retry-After
    first, second = site.requests["/later"]
    assert second - first >= RETRY_AFTER_SECONDS
    # And the ledger has the deferral with its reason, and one job
    [deferral] = stack.ledger.failures(run_id)
    assert (deferral.outcome, deferral.reason, deferral.attempts) == ("deferred", "http_429", 1)
    [result] = stack.ledger.results(run_id)
    assert [each.attempt for each in stack.ledger.attempts(run_id, result.job_id)] == [1, 2]
    assert str(stack.ledger.accounting(run_id)).endswith("succeeded=1 dead=0 in_flight=0")
