"""Tests that the advice of `scrapeq dead list` helps: a job dies, it is followed, and the job succeeds."""

import re
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from werkzeug import Request, Response

from console.ledger.ledger import Accounting
from console.report.dead_letters import NO_OUTCOME_REMEDY
from console.stack.pubsub_setup import publisher_client, topic_path
from console.stack.services import DeliveryPolicy, StackOptions
from console.stack.stack import Stack
from contract.job import Job
from contract.job_id import identify
from contract.outcome import Reason
from contract.reason_meanings import REASON_MEANINGS
from contract.recipe import Recipe
from contract.topology import JOBS_TOPIC
from extraction.selectors import CHECKS
from tests.console.command import run_scrapeq
from tests.journey.dispatching import TITLE_RECIPE, await_accounting, dispatch
from tests.servers.controlled_site import Site, html_page
from tests.servers.http_server import serving
from tests.servers.paced_site import LISTING_RECIPE, PacedSite, serving_paced

RUN = "remedies-1"  #: id of the run of jobs that a test publishes itself


@contextmanager
def running_stack(data: Path, **environment: str) -> Iterator[Stack]:
    """Run a stack in which a job waits for at most 1 s per delivery, and has five deliveries.

    Args:
        data: the data directory.
        environment: settings of the worker.
    """
    delivery = DeliveryPolicy(max_delivery_attempts=5, minimum_backoff_seconds=0, maximum_backoff_seconds=0)
    settings = {"WAIT_BUDGET_SECONDS": "1"} | environment
    options = StackOptions(data=data, delivery=delivery, worker_processes=1, environment=settings)
    with Stack(options) as stack:
        yield stack


def await_end(stack: Stack, run_id: str, jobs: int) -> Accounting:
    """Return the accounting of a run when all its jobs are recorded and have ended."""
    return await_accounting(
        stack, run_id, lambda now: now.succeeded + now.dead == now.dispatched == jobs and not now.in_flight
    )


def has_fewer_dead(before: Accounting, now: Accounting) -> bool:
    """Return whether dead letters have become jobs since `before`."""
    return now.dead < before.dead


def advice(stack: Stack, run_id: str, remedy: str) -> str:
    """Return what `scrapeq dead list` prints for a run; each dead letter must have the expected remedy."""
    printed = run_scrapeq("dead", "list", run_id, "--data", stack.options.data).stdout
    remedies = re.findall(r"  what to do: (.*)", printed)
    assert set(remedies) == {remedy}, printed
    return printed


def replay_as_shown(stack: Stack, printed: str) -> None:
    """Run the command that `scrapeq dead list` shows for dead letters that the infrastructure caused."""
    command = re.search(r"to replay just these: scrapeq (.*)", printed)
    assert command, printed
    done = run_scrapeq(*shlex.split(command[1]), "--pubsub", stack.pubsub_host)
    assert done.exit_code == 0, done.output


@contextmanager
def serving_slowly(seconds: float) -> Iterator[list[str]]:
    """Serve pages that take `seconds` each until the block ends; yield the URLs of ten of them."""

    def respond(request: Request) -> Response:
        if request.path == "/robots.txt":
            return html_page("missing", 404)
        time.sleep(seconds)
        return html_page("slow")

    with serving(respond) as url:
        yield [f"{url}/{number}" for number in range(10)]


def publish_job(stack: Stack, url: str, recipe: Mapping[str, object], **fields: object) -> None:
    """Publish one job of the run RUN."""
    made = Recipe.from_document(dict(recipe), CHECKS)
    job = Job.model_validate(
        {
            "job_id": identify(RUN, url, made),
            "run_id": RUN,
            "crawl": "remedies",
            "url": url,
            "recipe": made,
            "dispatched_at": datetime.now(UTC),
        }
        | fields
    )
    with publisher_client(stack.pubsub_host) as publisher:
        publisher.publish(topic_path(JOBS_TOPIC), job.encode(), **job.attributes("")).result(timeout=120)


def test_rate_limited_is_mended_by_replays_and_by_delay_seconds(tmp_path: Path) -> None:
    """Jobs that waited too long for a Crawl-delay succeed after replays; with `delay_seconds` none dies."""
    # Five attempts wait for 10 s together, so the second job dies at least once before its slot.
    slow, fast = PacedSite(crawl_delay=30), PacedSite(crawl_delay=1)
    with (
        serving_paced(slow),
        serving_paced(fast, "127.0.0.2"),
        running_stack(tmp_path / "data", WAIT_BUDGET_SECONDS="2") as stack,
    ):
        # Given more pages than the attempts can wait for
        run_id = dispatch(stack.dispatcher_url, slow.pages(2))
        ended = await_end(stack, run_id, 2)
        assert 0 < ended.dead == ended.dead_infrastructure
        # When just these are replayed, as often as some are dead again
        while ended.dead:
            printed = advice(stack, run_id, REASON_MEANINGS[Reason.RATE_LIMITED].remedy)
            replay_as_shown(stack, printed)
            await_accounting(stack, run_id, partial(has_fewer_dead, ended))
            ended = await_end(stack, run_id, 2)
        # Then all succeed, and each page was requested once
        assert ended.succeeded == 2
        assert len(slow.requests) == 2
        # And when the crawl has delay_seconds, no attempt fails
        paced = dispatch(stack.dispatcher_url, fast.pages(5), politeness={"delay_seconds": 1})
        assert await_end(stack, paced, 5).succeeded == 5
        assert stack.ledger.failures(paced) == []


def test_queued_too_long_is_mended_by_more_page_slots(tmp_path: Path) -> None:
    """Jobs that found no page slot succeed after a replay, with a larger PAGE_CONCURRENCY."""
    # While one job has the only page slot, five attempts of the others wait for 5 s together.
    with serving_slowly(15) as urls:
        with running_stack(tmp_path / "data", PAGE_CONCURRENCY="1") as stack:
            run_id = dispatch(stack.dispatcher_url, urls[:3])
            ended = await_end(stack, run_id, 3)
            assert 0 < ended.dead == ended.dead_infrastructure
            printed = advice(stack, run_id, REASON_MEANINGS[Reason.QUEUED_TOO_LONG].remedy)
        with running_stack(tmp_path / "data", PAGE_CONCURRENCY="10") as stack:
            replay_as_shown(stack, printed)
            assert await_accounting(stack, run_id, lambda now: now.succeeded == 3).dead == 0


def test_page_budget_exceeded_is_mended_by_a_longer_budget(tmp_path: Path) -> None:
    """A page that takes too long succeeds after a replay, with a larger PAGE_BUDGET_SECONDS."""
    with serving_slowly(2) as urls:
        with running_stack(tmp_path / "data", PAGE_BUDGET_SECONDS="1") as stack:
            run_id = dispatch(stack.dispatcher_url, urls[:1])
            assert await_end(stack, run_id, 1).dead == 1
            printed = advice(stack, run_id, REASON_MEANINGS[Reason.PAGE_BUDGET_EXCEEDED].remedy)
            assert "by infrastructure" not in printed
        with running_stack(tmp_path / "data", PAGE_BUDGET_SECONDS="60") as stack:
            assert run_scrapeq("dead", "replay", run_id, "--data", stack.options.data).exit_code == 0
            await_accounting(stack, run_id, lambda now: now.succeeded == 1)


def test_shutdown_is_mended_by_a_replay(tmp_path: Path, site: Site) -> None:
    """A job whose worker was stopped, and that reached no worker afterwards, succeeds after a replay."""
    site.hold()
    with running_stack(tmp_path / "data") as stack:
        run_id = dispatch(stack.dispatcher_url, site.pages(1, "held"))
        site.await_requests("/held/0", 1)
        stack.process("worker").terminate()
        assert await_end(stack, run_id, 1).dead_infrastructure == 1
        site.release()
        stack.start_worker()
        replay_as_shown(stack, advice(stack, run_id, REASON_MEANINGS[Reason.SHUTDOWN].remedy))
        await_accounting(stack, run_id, lambda now: now.succeeded == 1)


def test_not_before_is_mended_by_a_replay_after_that_time(tmp_path: Path, site: Site) -> None:
    """A job that died before its `not_before` succeeds after a replay at the time that its detail names."""
    with running_stack(tmp_path / "data") as stack:
        not_before = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=40)
        publish_job(stack, f"{site.url}/page", TITLE_RECIPE, not_before=not_before)
        assert await_end(stack, RUN, 1).dead_infrastructure == 1
        printed = advice(stack, RUN, REASON_MEANINGS[Reason.NOT_BEFORE].remedy)
        assert f"before {not_before:%Y-%m-%dT%H:%M:%SZ}" in printed
        time.sleep(max(0.0, (not_before - datetime.now(UTC)).total_seconds()))
        replay_as_shown(stack, printed)
        await_accounting(stack, RUN, lambda now: now.succeeded == 1)


def test_next_page_that_was_not_published_is_mended_by_its_topic_and_a_replay(tmp_path: Path) -> None:
    """A listing whose next page cannot be published breaks off there, and a replay continues it."""
    site = PacedSite(last_page=3)
    with serving_paced(site):
        # Given a worker that publishes jobs to a topic that does not exist
        with running_stack(tmp_path / "data", JOBS_TOPIC="missing-topic") as stack:
            publish_job(stack, f"{site.url}/list/1", LISTING_RECIPE)
            assert await_end(stack, RUN, 1).dead_infrastructure == 1
            printed = advice(stack, RUN, REASON_MEANINGS[Reason.PUBLISH_UNCONFIRMED].remedy)
            results = run_scrapeq("results", RUN, "--data", stack.options.data).stdout
            assert "/list/1: broke off at page 2, publish_unconfirmed" in results
        # When the topic is right, and the dead letter is replayed
        with running_stack(tmp_path / "data") as stack:
            replay_as_shown(stack, printed)
            await_accounting(stack, RUN, lambda now: now.succeeded == 3)
            [listing] = stack.ledger.listings(RUN)
            assert (listing.state, listing.pages, listing.items) == ("complete", 3, 6)


def test_dead_letter_without_an_outcome_is_mended_by_a_worker_and_a_replay(
    tmp_path: Path, site: Site
) -> None:
    """Jobs whose pushes reached no worker succeed after a replay, when a worker runs."""
    with running_stack(tmp_path / "data") as stack:
        stack.process("worker").kill()
        run_id = dispatch(stack.dispatcher_url, site.pages(3))
        assert await_end(stack, run_id, 3).dead_infrastructure == 3
        printed = advice(stack, run_id, NO_OUTCOME_REMEDY)
        stack.start_worker()
        replay_as_shown(stack, printed)
        await_accounting(stack, run_id, lambda now: now.succeeded == 3)
