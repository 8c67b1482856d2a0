"""From Cloud Scheduler to the dead letter, on this machine, with the values that Terraform applied."""

import json
from collections.abc import Iterator

import pytest
import yaml

from contract import topology
from tests.servers.controlled_site import Site, serving_site
from tests.servers.pubsub import gapic_clients
from tests.servers.waiting import wait_until
from tests.terraform.life import CopyStack
from tests.terraform.rehearsal import Rehearsal, rehearsing

pytestmark = pytest.mark.timeout(600)
CRAWL, SCHEDULED = "rehearsal", "2026-11-22T06:00:00Z"
RUN = f"{CRAWL}-{SCHEDULED}"
PAGES = 12
HERE = '{FETCH_ALLOW_NETWORKS="127.0.0.0/8"}'
OPTIONS = [
    f'-var=schedules={{{CRAWL}={{cron="0 6 * * *"}}}}',
    f"-var=extra_settings={{dispatcher={HERE},worker={HERE}}}",
]
#: What is applied: the defaults; and the large example with its digests, settled policy and ordering.
STACKS = {
    "by default": ["-var=project_id=my-project", "-var=contact_url=https://example.com/"],
    "large": ["-var-file=examples/large.tfvars"],
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site that is crawled."""
    with serving_site() as serving:
        yield serving


@pytest.fixture(scope="module", params=STACKS)
def rehearsal(
    request: pytest.FixtureRequest,
    copy_stack: CopyStack,
    site: Site,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rehearsal]:
    """A stack of which everything is applied, with one more crawl, running."""
    stack = copy_stack()
    crawl = {
        "name": CRAWL,
        "sources": {"urls": [*site.pages(PAGES), f"{site.url}/missing/1"]},
        "recipe": {"name": "page", "fields": {"title": {"css": "title", "required": True}}},
    }
    (stack.directory.parent / "crawls" / f"{CRAWL}.yaml").write_text(yaml.safe_dump(crawl), encoding="utf-8")
    stack.succeed("apply", "-auto-approve", "-no-color", *STACKS[request.param], *OPTIONS)
    with rehearsing(stack.resources(), tmp_path_factory.mktemp("rehearsal")) as running:
        yield running


def test_a_scheduled_crawl_ends_in_a_balanced_ledger_and_a_dead_letter(rehearsal: Rehearsal) -> None:
    """Each job succeeded or died; the dead one has a reason, and its letter is where the operator looks."""
    assert rehearsal.fire(CRAWL, SCHEDULED)["run_id"] == RUN
    ledger = rehearsal.ledger
    wait_until(
        lambda: ledger.accounting(RUN)[:4] == (PAGES + 1, PAGES, 1, 0),
        "all jobs but one succeed, and that one dies",
        120,
    )
    assert ledger.accounting(RUN).adds_up
    # Each topic is recorded at its own pace: the letter may be there before the outcome that says why.
    wait_until(
        lambda: [dead.reason for dead in ledger.dead(RUN)] == ["http_404"], "the dead one has its reason"
    )
    [dead] = ledger.dead(RUN)
    project = rehearsal.applied.environment("worker")["GOOGLE_CLOUD_PROJECT"]
    with gapic_clients(rehearsal.pubsub.host) as (_, subscriber):
        path = subscriber.subscription_path(project, topology.DEAD_LETTER_SUBSCRIPTION)
        letters = subscriber.pull(subscription=path, max_messages=10, timeout=30).received_messages
    assert [json.loads(letter.message.data)["job_id"] for letter in letters] == [dead.job_id]


def test_a_trigger_that_fires_twice_makes_the_same_jobs(rehearsal: Rehearsal) -> None:
    """Cloud Scheduler promises at least one request, not one."""
    before = rehearsal.fire(CRAWL, SCHEDULED)
    assert rehearsal.fire(CRAWL, SCHEDULED) == before
    wait_until(
        lambda: rehearsal.ledger.accounting(RUN)[:4] == (PAGES + 1, PAGES, 1, 0),
        "the run has as many jobs as before",
        120,
    )
