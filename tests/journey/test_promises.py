"""Tests of the promises in docs/explanation/promises.md, with real processes that are killed."""

import itertools
from pathlib import Path

from google.pubsub_v1 import types

from console.stack.pubsub_setup import subscriber_client, subscription_path
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.job import Job
from contract.topology import DEAD_LETTER_SUBSCRIPTION
from tests.journey.dispatching import await_accounting, await_dead_jobs, dispatch
from tests.servers.controlled_site import Site
from tests.servers.waiting import wait_for


class TestWorker:
    def test_worker_killed_during_a_job_is_followed_by_redelivery(self, stack: Stack, site: Site) -> None:
        """If a worker is killed by SIGKILL, each of its jobs succeeds later on another worker."""
        # Given jobs whose pages are being fetched
        site.hold()
        run_id = dispatch(stack.dispatcher_url, [*site.pages(3, "held"), *site.pages(20)])
        for number in range(3):
            site.await_requests(f"/held/{number}", 1)
        # When every process of the worker is killed, and another worker starts
        stack.process("worker").kill()
        site.release()
        stack.start_worker()
        # Then all jobs succeed, the interrupted ones at a later attempt
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded == 23)
        assert (accounting.dispatched, accounting.dead, accounting.in_flight) == (23, 0, 0)
        results = {result.url: result for result in stack.ledger.results(run_id)}
        for url in site.pages(3, "held"):
            assert results[url].attempts > 1

    def test_sigterm_returns_unfinished_jobs_with_the_reason_shutdown(self, stack: Stack, site: Site) -> None:
        """After SIGTERM the worker rejects its unfinished jobs and ends, so they are redelivered soon."""
        # Given jobs whose pages take longer than a shutdown is allowed to take
        site.hold()
        run_id = dispatch(stack.dispatcher_url, site.pages(3, "held"))
        for number in range(3):
            site.await_requests(f"/held/{number}", 1)
        # When the worker receives SIGTERM
        worker = stack.process("worker")
        worker.terminate()
        # Then it ends without a kill
        assert worker.wait(120), "the worker did not end after SIGTERM"
        # And each job has the reason `shutdown` in its first outcome, and succeeds on the next worker
        site.release()
        stack.start_worker()
        await_accounting(stack, run_id, lambda now: now.succeeded == 3)
        for result in stack.ledger.results(run_id):
            reasons = [each.reason for each in stack.ledger.attempts(run_id, result.job_id)]
            assert (reasons[0], reasons[-1]) == ("shutdown", "ok")

    def test_jobs_wait_in_the_queue_while_no_worker_runs(self, stack: Stack, site: Site) -> None:
        """Jobs that are dispatched while no worker runs are scraped when a worker runs again."""
        # Given no worker
        stack.process("worker").kill()
        # When jobs are dispatched
        run_id = dispatch(stack.dispatcher_url, site.pages(20))
        # Then they wait
        waiting = await_accounting(stack, run_id, lambda now: now.dispatched == 20)
        assert (waiting.succeeded, waiting.dead) == (0, 0)
        # And the next worker scrapes them
        stack.start_worker()
        await_accounting(stack, run_id, lambda now: now.succeeded == 20)


class TestDispatcher:
    def test_worker_finishes_queued_jobs_while_no_dispatcher_runs(self, stack: Stack, site: Site) -> None:
        """The worker finishes the jobs in the queue after the dispatcher was killed."""
        # Given dispatched jobs whose pages the site delays
        site.hold()
        run_id = dispatch(stack.dispatcher_url, site.pages(30, "held"))
        site.await_requests("/held/0", 1)
        # When the dispatcher is killed
        stack.process("dispatcher").kill()
        site.release()
        # Then all jobs succeed
        await_accounting(stack, run_id, lambda now: now.succeeded == 30)


class TestQueue:
    def test_confirmed_jobs_survive_a_kill_of_the_queue(self, stack: Stack, site: Site) -> None:
        """Jobs whose publish was confirmed are still delivered after the broker was killed by SIGKILL."""
        # Given 500 confirmed jobs and no worker
        stack.process("worker").kill()
        run_id = dispatch(stack.dispatcher_url, site.pages(500))
        # When the queue is killed and started again
        stack.process("pubsub").kill()
        stack.start_pubsub()
        # Then each job is delivered
        stack.start_worker()
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded == 500)
        assert str(accounting) == "accounting: dispatched=500 succeeded=500 dead=0 in_flight=0"

    def test_run_completes_after_a_kill_of_the_queue_in_its_middle(self, stack: Stack, site: Site) -> None:
        """If the broker is killed during a run and started again, every job of the run succeeds."""
        # Given a run of which some jobs have succeeded
        run_id = dispatch(stack.dispatcher_url, site.pages(300))
        await_accounting(stack, run_id, lambda now: now.succeeded > 0)
        # When the queue is killed and started again
        stack.process("pubsub").kill()
        stack.start_pubsub()
        # Then every job of the run succeeds
        accounting = await_accounting(stack, run_id, lambda now: now.succeeded == 300)
        assert str(accounting) == "accounting: dispatched=300 succeeded=300 dead=0 in_flight=0"


class TestDeadLetter:
    def test_500_is_dead_lettered_after_max_delivery_attempts(self, tmp_path: Path, site: Site) -> None:
        """A job whose page always fails is a dead letter after 5 attempts with doubling backoffs."""
        policy = DeliveryPolicy(
            max_delivery_attempts=5, minimum_backoff_seconds=1, maximum_backoff_seconds=60
        )
        with Stack(StackOptions(data=tmp_path / "data", delivery=policy)) as stack:
            # Given a page that always fails, and ten pages that succeed
            run_id = dispatch(stack.dispatcher_url, [f"{site.url}/fails", *site.pages(10)])
            # When nothing is in flight any more
            accounting = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 11)
            # Then one job is dead, with a reason, and the other jobs have succeeded
            assert (accounting.succeeded, accounting.dead) == (10, 1)
            [dead] = await_dead_jobs(stack, run_id, 1)
            assert (dead.url, dead.attempts, dead.reason) == (f"{site.url}/fails", 5, "http_5xx")
            # And the page was requested exactly 5 times, after backoffs that double
            times = site.requests["/fails"]
            assert len(times) == 5
            pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert all(pause >= minimum for pause, minimum in zip(pauses, (1, 2, 4, 8), strict=True)), pauses
            # And each attempt has its number
            attempts = wait_for(
                lambda: stack.ledger.attempts(run_id, dead.job_id), lambda found: len(found) >= 5
            )
            assert [each.attempt for each in attempts] == [1, 2, 3, 4, 5]
            # And the dead letter contains the unchanged job, and the attributes that Pub/Sub adds
            dead_letter = _pull_dead_letter(stack).message
            assert Job.decode(dead_letter.data).url == f"{site.url}/fails"
            assert dead_letter.attributes["job_id"] == dead.job_id
            assert dead_letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
            assert dead_letter.attributes["CloudPubSubDeadLetterSourceSubscription"] == "scrape-jobs-push"


def _pull_dead_letter(stack: Stack) -> types.ReceivedMessage:
    with subscriber_client(stack.pubsub_host) as subscriber:
        response = subscriber.pull(
            subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION), max_messages=10, timeout=20, retry=None
        )
    received: list[types.ReceivedMessage] = list(response.received_messages)
    assert len(received) == 1
    return received[0]
