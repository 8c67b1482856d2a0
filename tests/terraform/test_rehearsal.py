"""Tests of a scheduled crawl on this machine, with the values that Terraform applied.

They begin with Cloud Scheduler's request and end with the rows of the ledger and a dead letter.
"""

import json
from collections.abc import Iterator

import pytest
import yaml

from contract import topology
from tests.servers.controlled_site import Site, serving_site
from tests.servers.pubsub import gapic_clients
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.terraform.lifecycle import CopyStack
from tests.terraform.rehearsal import Rehearsal, running_rehearsal

CRAWL, SCHEDULED = "rehearsal", "2026-11-22T06:00:00Z"
RUN = f"{CRAWL}-{SCHEDULED}"
PAGES = 12
ALLOW_LOOPBACK = '{FETCH_ALLOW_NETWORKS="127.0.0.0/8"}'
OPTIONS = [
    # With the default backoff, the last of ten attempts would begin after 41 minutes.
    "-var=retry_backoff={minimum=1,maximum=30}",
    f'-var=schedules={{canary={{cron="0 6 * * *"}},{CRAWL}={{cron="0 6 * * *"}}}}',
    f"-var=extra_settings={{dispatcher={ALLOW_LOOPBACK},worker={ALLOW_LOOPBACK}}}",
]
#: Options of the stacks: the defaults, and the large example with digests, ack_policy settled and ordering.
STACKS = {
    "by default": ["-var=project_id=my-project", "-var=contact_url=https://example.com/"],
    "large": ["-var-file=examples/large.tfvars"],
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site that the crawl scrapes."""
    with serving_site() as serving:
        yield serving


@pytest.fixture(scope="module", params=["by default", pytest.param("large", marks=pytest.mark.long)])
def rehearsal(
    request: pytest.FixtureRequest,
    copy_stack: CopyStack,
    site: Site,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rehearsal]:
    """An applied stack with one additional crawl, running on this machine."""
    stack = copy_stack()
    crawl = {
        "name": CRAWL,
        "sources": {"urls": [*site.pages(PAGES), f"{site.url}/missing/1"]},
        "recipe": {"name": "page", "fields": {"title": {"css": "title", "required": True}}},
    }
    (stack.directory.parent / "crawls" / f"{CRAWL}.yaml").write_text(yaml.safe_dump(crawl), encoding="utf-8")
    stack.succeed("apply", "-auto-approve", "-no-color", *STACKS[request.param], *OPTIONS)
    with running_rehearsal(stack.resources(), tmp_path_factory.mktemp("rehearsal")) as running:
        yield running


def test_scheduled_crawl_ends_in_a_balanced_ledger_with_one_dead_letter(rehearsal: Rehearsal) -> None:
    """All jobs of a crawl succeed except that of a missing page, which becomes a dead letter."""
    assert rehearsal.trigger(CRAWL, SCHEDULED)["run_id"] == RUN
    ledger = rehearsal.ledger
    wait_until(
        lambda: ledger.accounting(RUN)[:4] == (PAGES + 1, PAGES, 1, 0),
        "all jobs but one succeed, and that one is dead-lettered",
    )
    assert ledger.accounting(RUN).adds_up
    # Each topic has a separate ledger subscription, so the dead letter may be written before its outcome.
    wait_until(
        lambda: [dead.reason for dead in ledger.dead_jobs(RUN)] == ["http_404"],
        "the dead letter has its reason",
    )
    [dead] = ledger.dead_jobs(RUN)
    project = rehearsal.applied.environment("worker")["GOOGLE_CLOUD_PROJECT"]
    with gapic_clients(rehearsal.pubsub.host) as (_, subscriber):
        path = subscriber.subscription_path(project, topology.DEAD_LETTER_SUBSCRIPTION)
        pulled = subscriber.pull(
            subscription=path, max_messages=10, timeout=MAX_WAIT_SECONDS
        ).received_messages
    assert [json.loads(message.message.data)["job_id"] for message in pulled] == [dead.job_id]


def test_repeated_trigger_makes_the_same_jobs(rehearsal: Rehearsal) -> None:
    """If Cloud Scheduler sends the same request again, the run has the same number of jobs as before."""
    before = rehearsal.trigger(CRAWL, SCHEDULED)
    assert rehearsal.trigger(CRAWL, SCHEDULED) == before
    wait_until(
        lambda: rehearsal.ledger.accounting(RUN)[:4] == (PAGES + 1, PAGES, 1, 0),
        "the run has as many jobs as before",
    )


def test_dispatcher_takes_the_shipped_crawl_as_cloud_scheduler_sends_it(rehearsal: Rehearsal) -> None:
    """The dispatcher makes a job of the canary, whose body is exactly that of the applied schedule."""
    response = rehearsal.trigger("canary", SCHEDULED)
    assert (response["run_id"], response["published"]) == (f"canary-{SCHEDULED}", 1)
