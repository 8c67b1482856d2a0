"""Tests that each account has exactly the permissions that are listed here."""

import re
from collections import defaultdict

from tests.terraform.lifecycle import Lifecycle
from tests.terraform.operator_grants import ACTS, READING

AGENT = "Pub/Sub's service agent"
APPROVERS = "group:on-call@example.com"
OPERATORS = "group:operators@example.com"
PROXY = "the agent of the Identity-Aware Proxy"
# The expected grants of each account, as (role, resource), for a stack with ack_policy = "settled" and build
# triggers. Such a stack needs the most permissions.
GRANTS = {
    "dispatcher": {
        ("roles/pubsub.publisher", "scrape-jobs"),
        ("roles/pubsub.publisher", "scrape-dispatch"),  # The dispatcher publishes shards to itself.
        ("roles/storage.objectViewer", "my-urls"),  # Crawls name files with URLs in this bucket.
    },
    "worker": {
        ("roles/pubsub.publisher", "scrape-outcomes"),
        ("roles/pubsub.publisher", "scrape-jobs"),  # The worker publishes further pages and retries.
        ("roles/pubsub.viewer", "scrape-jobs"),  # The worker reads the labels of the topic.
        ("roles/pubsub.publisher", "scrape-jobs-dead"),  # The worker dead-letters a failed job.
        ("roles/secretmanager.secretAccessor", "shop-token"),  # The worker sends it to a site.
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
    APPROVERS: {("roles/cloudbuild.builds.approver", "my-project")},
    OPERATORS: ACTS | READING | {("roles/iap.httpsResourceAccessor", "scrapeq-console")},
    "console": ACTS | READING,
    PROXY: {("roles/run.invoker", "scrapeq-console")},
    AGENT: {
        ("roles/bigquery.dataEditor", "dead_letters"),
        ("roles/bigquery.dataEditor", "dispatches"),
        ("roles/bigquery.dataEditor", "jobs"),
        ("roles/bigquery.dataEditor", "operator_log"),
        ("roles/bigquery.dataEditor", "outcomes"),
        ("roles/bigquery.metadataViewer", "scrapeq"),
        ("roles/iam.serviceAccountTokenCreator", "scrapeq-push"),
        ("roles/iam.serviceAccountTokenCreator", "scrapeq-replay"),
        ("roles/pubsub.publisher", "scrape-jobs-dead"),
        ("roles/pubsub.publisher", "scrape-ledger-dead"),
        ("roles/pubsub.subscriber", "scrape-dispatch-ledger"),
        ("roles/pubsub.subscriber", "scrape-jobs-dead-ledger"),
        ("roles/pubsub.subscriber", "scrape-jobs-ledger"),
        ("roles/pubsub.subscriber", "scrape-jobs-push"),
        ("roles/pubsub.subscriber", "scrape-operator-ledger"),
        ("roles/pubsub.subscriber", "scrape-outcomes-ledger"),
    },
}
# Roles that can only be granted on the whole project.
PROJECT_WIDE = {"roles/bigquery.jobUser", "roles/cloudbuild.builds.approver", "roles/logging.logWriter"}
# Fields of an IAM resource that name the resource on which the role is granted, the smallest resource first.
PLACES = (
    "table_id", "dataset_id", "topic", "bucket", "subscription", "service_account_id", "secret_id",
    "repository", "cloud_run_service_name", "name", "project",
)  # fmt: skip


def grants(lifecycle: Lifecycle) -> dict[str, set[tuple[str, str]]]:
    """Return the grants by account, each as (role, resource)."""
    found = defaultdict(set)
    for resource in lifecycle.resources:
        if not resource["type"].endswith("_iam_member"):
            continue
        values = resource["values"]
        place = next(values[name] for name in PLACES if values.get(name))
        on = re.split("[/@]", place.partition("serviceAccounts/")[2] or place.rsplit("/", 1)[-1])[0]
        found[account_of(values["member"])].add((values["role"], on))
    return dict(found)


def account_of(member: str) -> str:
    """Return the short name of an account of this stack; return any other member unchanged."""
    if re.fullmatch(r"serviceAccount:service-\d+@gcp-sa-pubsub\.iam\.gserviceaccount\.com", member):
        return AGENT
    if re.fullmatch(r"serviceAccount:service-\d+@gcp-sa-iap\.iam\.gserviceaccount\.com", member):
        return PROXY
    ours = re.fullmatch(r"serviceAccount:scrapeq-(\w+)@my-project\.iam\.gserviceaccount\.com", member)
    return ours[1] if ours else member


def test_grants_are_exactly_those_listed(lifecycle: Lifecycle) -> None:
    """Each account has exactly the expected roles, and no other account (for example allUsers) has a role."""
    expected = GRANTS if lifecycle.example == "large" else small_stack_grants()
    assert grants(lifecycle) == expected


def small_stack_grants() -> dict[str, set[tuple[str, str]]]:
    """Return the grants without build triggers and secrets, and with ack_policy = "success"."""
    small = {
        account: granted
        for account, granted in GRANTS.items()
        if account not in {"build", "check", "console", APPROVERS, OPERATORS, PROXY}
    }
    more = {
        ("roles/pubsub.publisher", "scrape-jobs-dead"),
        ("roles/secretmanager.secretAccessor", "shop-token"),
    }
    dispatcher = GRANTS["dispatcher"] - {("roles/storage.objectViewer", "my-urls")}
    return small | {"worker": GRANTS["worker"] - more, "dispatcher": dispatcher}


def test_no_grant_replaces_grants_made_elsewhere(lifecycle: Lifecycle) -> None:
    """The stack has no IAM policies or bindings, which would remove other grants, and no account keys."""
    kinds = {resource["type"] for resource in lifecycle.resources}
    assert {kind for kind in kinds if kind.endswith(("_iam_binding", "_iam_policy", "_key"))} == set()


def test_project_wide_grants_are_only_those_without_a_smaller_resource(lifecycle: Lifecycle) -> None:
    """Roles are granted on the whole project only if there is no smaller resource."""
    assert {values["role"] for values in lifecycle.of("google_project_iam_member")} <= PROJECT_WIDE


def test_every_service_account_is_used(lifecycle: Lifecycle) -> None:
    """Every service account has a grant, and every service runs as one of them."""
    accounts = {values["email"] for values in lifecycle.of("google_service_account")}
    assert accounts == set(lifecycle.outputs["service_accounts"].values())
    assert {account_of(f"serviceAccount:{email}") for email in accounts} == grants(lifecycle).keys() - {
        AGENT,
        APPROVERS,
        OPERATORS,
        PROXY,
    }
    running = [
        values["template"][0]["service_account"] for values in lifecycle.of("google_cloud_run_v2_service")
    ]
    assert len(set(running)) == len(running)
    assert set(running) <= accounts
