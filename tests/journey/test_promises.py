"""The promises of the design, kept by real processes that are killed."""

import itertools
from pathlib import Path
from typing import NamedTuple

from google.cloud.pubsub_v1 import SubscriberClient

from console.stack.pubsub_setup import subscriber_client, subscription_path
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.job import Job
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.journey.dispatching import await_accounting, dispatch
from tests.servers.controlled_site import Site
from tests.servers.waiting import wait_for


class TestWorker:
    def test_a_worker_killed_in_the_middle_of_a_job_costs_nothing_but_time(
        self, stack: Stack, site: Site
    ) -> None:
        """Redeliver: a job whose worker is killed by SIGKILL succeeds later on another worker."""
        # Given jobs in the middle of their scrape
        site.hold()
        told = dispatch(stack, [*site.pages(3, "held"), *site.pages(20)])
        for number in range(3):
            site.await_requests(f"/held/{number}", 1)
        # When every process of the worker is killed, and another worker starts
        stack.process("worker").kill()
        site.release()
        stack.start_worker()
        # Then all jobs succeed, the interrupted ones by a later attempt
        accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded == 23)
        assert (accounting.dispatched, accounting.dead, accounting.in_flight) == (23, 0, 0)
        interrupted = {result.url: result for result in stack.ledger.results(told["run_id"])}
        for url in site.pages(3, "held"):
            assert interrupted[url].attempts > 1

    def test_a_worker_told_to_end_gives_back_what_it_cannot_finish(self, stack: Stack, site: Site) -> None:
        """SIGTERM costs no ack deadline: within Cloud Run's 10 s the job is refused, with a reason."""
        # Given jobs whose pages take longer than a shutdown may
        site.hold()
        told = dispatch(stack, site.pages(3, "held"))
        for number in range(3):
            site.await_requests(f"/held/{number}", 1)
        # When the worker is told to end
        worker = stack.process("worker")
        worker.ask_to_stop()
        # Then it ends by itself, before it would be killed
        assert worker.wait(120), "the worker did not end after SIGTERM"
        # And each job says why, and is scraped by the next worker
        site.release()
        stack.start_worker()
        await_accounting(stack, told["run_id"], lambda now: now.succeeded == 3)
        for result in stack.ledger.results(told["run_id"]):
            reasons = [each.reason for each in stack.ledger.attempts(told["run_id"], result.job_id)]
            assert (reasons[0], reasons[-1]) == ("shutdown", "ok")

    def test_jobs_wait_while_the_worker_is_down(self, stack: Stack, site: Site) -> None:
        """Buffer: what is dispatched while no worker runs is scraped once one does."""
        # Given no worker
        stack.process("worker").kill()
        # When jobs are dispatched
        told = dispatch(stack, site.pages(20))
        # Then they wait
        waiting = await_accounting(stack, told["run_id"], lambda now: now.dispatched == 20)
        assert (waiting.succeeded, waiting.dead) == (0, 0)
        # And are scraped by the worker that comes
        stack.start_worker()
        await_accounting(stack, told["run_id"], lambda now: now.succeeded == 20)


class TestDispatcher:
    def test_the_worker_goes_on_while_the_dispatcher_is_down(self, stack: Stack, site: Site) -> None:
        """Scale apart: the worker needs no dispatcher to finish what is queued."""
        # Given dispatched jobs that the site holds
        site.hold()
        told = dispatch(stack, site.pages(30, "held"))
        site.await_requests("/held/0", 1)
        # When the dispatcher is killed
        stack.process("dispatcher").kill()
        site.release()
        # Then all succeed
        await_accounting(stack, told["run_id"], lambda now: now.succeeded == 30)


class TestQueue:
    def test_a_queue_killed_after_confirming_still_delivers_everything(
        self, stack: Stack, site: Site
    ) -> None:
        """Persist: a job whose publish was confirmed survives SIGKILL of the broker."""
        # Given 500 confirmed jobs and no worker to take them
        stack.process("worker").kill()
        told = dispatch(stack, site.pages(500))
        # When the queue is killed and comes back
        stack.process("pubsub").kill()
        stack.start_pubsub()
        # Then each of them is delivered
        stack.start_worker()
        accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded == 500)
        assert str(accounting) == "accounting: dispatched=500 succeeded=500 dead=0 in_flight=0"

    def test_a_queue_killed_in_the_middle_of_a_run_loses_nothing(self, stack: Stack, site: Site) -> None:
        """Persist: deliveries, outcomes and counts go on where they were."""
        # Given a run of which some jobs have succeeded
        told = dispatch(stack, site.pages(300))
        await_accounting(stack, told["run_id"], lambda now: now.succeeded > 0)
        # When the queue is killed and comes back
        stack.process("pubsub").kill()
        stack.start_pubsub()
        # Then the run ends complete
        accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded == 300)
        assert str(accounting) == "accounting: dispatched=300 succeeded=300 dead=0 in_flight=0"


class DeadLetter(NamedTuple):
    """What an operator finds in the dead-letter subscription."""

    data: bytes
    attributes: dict[str, str]


class TestDeadLetter:
    def test_a_job_that_always_fails_is_pushed_max_delivery_attempts_times_and_buried(
        self, tmp_path: Path, site: Site
    ) -> None:
        """Dead-letter: exactly 5 pushes, attempts 1 to 5, doubling pauses, then the dead-letter topic."""
        policy = DeliveryPolicy(
            max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=60
        )
        with Stack(StackOptions(data=tmp_path / "data", delivery=policy)) as stack:
            # Given a page that always fails, among others that do not
            told = dispatch(stack, [f"{site.url}/fails", *site.pages(10)])
            # When nothing is in flight any more
            accounting = await_accounting(stack, told["run_id"], lambda now: now.succeeded + now.dead == 11)
            # Then one job is dead, with a reason, and the others are not
            assert (accounting.succeeded, accounting.dead) == (10, 1)
            (dead,) = stack.ledger.dead(told["run_id"])
            assert (dead.url, dead.attempts, dead.reason) == (f"{site.url}/fails", 5, "http_5xx")
            # And the page was asked for exactly 5 times, after pauses that double
            times = site.requests["/fails"]
            assert len(times) == 5
            pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert all(pause >= least for pause, least in zip(pauses, (1, 2, 4, 8), strict=True)), pauses
            # And each attempt said its number
            attempts = wait_for(
                lambda: stack.ledger.attempts(told["run_id"], dead.job_id), lambda found: len(found) >= 5
            )
            assert [each.attempt for each in attempts] == [1, 2, 3, 4, 5]
            # And the letter holds the job as it was, with what Pub/Sub says of its death
            with subscriber_client(stack.pubsub_host) as subscriber:
                letter = _take_letter(subscriber)
            assert Job.decode(letter.data).url == f"{site.url}/fails"
            assert letter.attributes["job_id"] == dead.job_id
            assert letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
            assert letter.attributes["CloudPubSubDeadLetterSourceSubscription"] == "scrape-jobs-push"


def _take_letter(subscriber: SubscriberClient) -> DeadLetter:
    answer = subscriber.pull(
        subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION), max_messages=10, timeout=20, retry=None
    )
    (received,) = answer.received_messages
    return DeadLetter(received.message.data, dict(received.message.attributes))
