"""Who may do what: all of it is written here, and nothing else is granted."""

import re
from collections import defaultdict

import pytest

from tests.terraform.life import Life
from tests.terraform.stand_in import NEWEST

pytestmark = pytest.mark.timeout(600)

AGENT = "Pub/Sub's agent"
# Account → role → on what. With ack_policy = "settled" and triggers, which is all there can be.
GRANTS = {
    "dispatcher": {("roles/pubsub.publisher", "scrape-jobs")},
    "worker": {
        ("roles/pubsub.publisher", "scrape-outcomes"),
        ("roles/pubsub.publisher", "scrape-jobs"),  # a job that is put off
        ("roles/pubsub.publisher", "scrape-jobs-dead"),  # a job that it buries
    },
    "push": {("roles/run.invoker", "scrapeq-worker")},
    "replay": {("roles/run.invoker", "scrapeq-dispatcher")},
    "scheduler": {("roles/run.invoker", "scrapeq-dispatcher")},
    "build": {
        ("roles/artifactregistry.writer", "scrapeq"),
        ("roles/iam.serviceAccountTokenCreator", "scrapeq-deployer"),
        ("roles/logging.logWriter", "my-project"),
    },
    "check": {("roles/logging.logWriter", "my-project")},
    AGENT: {
        ("roles/bigquery.dataEditor", "dead_letters"),
        ("roles/bigquery.dataEditor", "jobs"),
        ("roles/bigquery.dataEditor", "outcomes"),
        ("roles/bigquery.metadataViewer", "scrapeq"),
        ("roles/iam.serviceAccountTokenCreator", "scrapeq-push"),
        ("roles/iam.serviceAccountTokenCreator", "scrapeq-replay"),
        ("roles/pubsub.publisher", "scrape-jobs-dead"),
        ("roles/pubsub.publisher", "scrape-ledger-dead"),
        ("roles/pubsub.subscriber", "scrape-jobs-dead-ledger"),
        ("roles/pubsub.subscriber", "scrape-jobs-ledger"),
        ("roles/pubsub.subscriber", "scrape-jobs-push"),
        ("roles/pubsub.subscriber", "scrape-outcomes-ledger"),
    },
}
# The grants that no smaller resource takes.
PROJECT_WIDE = {"roles/logging.logWriter"}
# Where a grant's resource stands, the smallest first.
PLACES = (
    "table_id", "dataset_id", "topic", "subscription", "service_account_id", "repository", "name", "project",
)  # fmt: skip


def grants(life: Life) -> dict[str, set[tuple[str, str]]]:
    """Return who has which role on what."""
    found = defaultdict(set)
    for resource in life.resources:
        if not resource["type"].endswith("_iam_member"):
            continue
        values = resource["values"]
        place = next(values[name] for name in PLACES if values.get(name))
        on = re.split("[/@]", place.partition("serviceAccounts/")[2] or place.rsplit("/", 1)[-1])[0]
        found[who(values["member"])].add((values["role"], on))
    return dict(found)


def who(member: str) -> str:
    """Return an account by what it is for."""
    if re.fullmatch(r"serviceAccount:service-\d+@gcp-sa-pubsub\.iam\.gserviceaccount\.com", member):
        return AGENT
    ours = re.fullmatch(r"serviceAccount:scrapeq-(\w+)@my-project\.iam\.gserviceaccount\.com", member)
    return ours[1] if ours else member


def test_nothing_is_granted_that_is_not_written_here(life: Life) -> None:
    """Least privilege, and nobody that is not ours: neither allUsers nor a default account."""
    expected = GRANTS if life.release == NEWEST else of_the_small_stack()
    assert grants(life) == expected


def of_the_small_stack() -> dict[str, set[tuple[str, str]]]:
    """Return the grants without builds, and of a worker that settles nothing."""
    small = {account: granted for account, granted in GRANTS.items() if account not in {"build", "check"}}
    return small | {"worker": {("roles/pubsub.publisher", "scrape-outcomes")}}


def test_grants_add_to_what_others_granted(life: Life) -> None:
    """A policy or a binding would take away what was granted elsewhere."""
    kinds = {resource["type"] for resource in life.resources}
    assert {kind for kind in kinds if kind.endswith(("_iam_binding", "_iam_policy", "_key"))} == set()


def test_only_what_has_no_smaller_resource_is_granted_on_the_project(life: Life) -> None:
    """Elsewhere in the project our accounts may do nothing."""
    assert {values["role"] for values in life.of("google_project_iam_member")} <= PROJECT_WIDE


def test_every_account_is_used(life: Life) -> None:
    """And every service runs as one of ours."""
    accounts = {values["email"] for values in life.of("google_service_account")}
    assert accounts == set(life.outputs["service_accounts"].values())
    assert {who(f"serviceAccount:{email}") for email in accounts} == grants(life).keys() - {AGENT}
    running = [values["template"][0]["service_account"] for values in life.of("google_cloud_run_v2_service")]
    assert len(set(running)) == 2
    assert set(running) <= accounts
