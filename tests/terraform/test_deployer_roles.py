"""Tests that the roles of the account that rolls out are those that terraform/ and cloudbuild.yaml need.

The permissions of each role are Google's: https://cloud.google.com/iam/docs/roles-permissions
"""

import re

import pytest

from tests.repository.tree import ROOT

LINE = re.compile(r"^(roles/[\w.]+) +# \S.*$", re.MULTILINE)


def managed(prefix: str, *also: str) -> set[str]:
    """Return the permissions to create, read, update and delete a kind of resource, and some others."""
    return {f"{prefix}.{verb}" for verb in ("create", "get", "update", "delete")} | set(also)


def granted(prefix: str) -> set[str]:
    """Return the permissions to read and change the IAM policy of a kind of resource."""
    return {f"{prefix}.getIamPolicy", f"{prefix}.setIamPolicy"}


#: What Terraform's provider calls for each type of resource.
TYPES: dict[str, set[str]] = {
    "google_artifact_registry_repository": managed("artifactregistry.repositories"),
    "google_artifact_registry_repository_iam_member": granted("artifactregistry.repositories"),
    "google_bigquery_dataset": managed("bigquery.datasets"),
    "google_bigquery_dataset_iam_member": granted("bigquery.datasets"),
    "google_bigquery_routine": managed("bigquery.routines"),
    "google_bigquery_table": managed("bigquery.tables"),
    "google_bigquery_table_iam_member": granted("bigquery.tables"),
    "google_billing_budget": set(),  # on the billing account, not on the project: see the variable budget
    "google_cloud_run_v2_service": managed("run.services", "run.operations.get", "iam.serviceAccounts.actAs"),
    "google_cloud_run_v2_service_iam_member": granted("run.services"),
    "google_cloud_scheduler_job": managed(
        "cloudscheduler.jobs", "cloudscheduler.jobs.pause", "iam.serviceAccounts.actAs"
    ),
    # The permissions on builds are those on triggers, too:
    # https://cloud.google.com/build/docs/iam-roles-permissions
    "google_cloudbuild_trigger": {
        "cloudbuild.builds.create", "cloudbuild.builds.get", "cloudbuild.builds.update",
        "cloudbuild.repositories.get", "iam.serviceAccounts.actAs",
    },
    "google_compute_address": managed("compute.addresses") - {"compute.addresses.update"},
    "google_compute_network": managed("compute.networks"),
    "google_compute_router": managed("compute.routers"),
    "google_compute_router_nat": {"compute.routers.get", "compute.routers.update"},
    "google_compute_subnetwork": managed("compute.subnetworks", "compute.subnetworks.use"),
    # https://cloud.google.com/iap/docs/managing-access#roles_and_permissions
    "google_iap_web_cloud_run_service_iam_member": granted("iap.webServices"),
    "google_logging_project_exclusion": managed("logging.exclusions"),
    "google_monitoring_alert_policy": managed("monitoring.alertPolicies"),
    "google_monitoring_dashboard": managed("monitoring.dashboards"),
    "google_monitoring_notification_channel": managed("monitoring.notificationChannels"),
    "google_project_iam_member": granted("resourcemanager.projects"),
    "google_project_service": {"serviceusage.services.enable", "serviceusage.services.list"},
    "google_pubsub_subscription": managed("pubsub.subscriptions", "pubsub.topics.attachSubscription"),
    "google_pubsub_subscription_iam_member": granted("pubsub.subscriptions"),
    "google_pubsub_topic": managed("pubsub.topics"),
    "google_pubsub_topic_iam_member": granted("pubsub.topics"),
    "google_secret_manager_secret_iam_member": granted("secretmanager.secrets"),
    "google_service_account": managed("iam.serviceAccounts"),
    "google_service_account_iam_member": granted("iam.serviceAccounts"),
    "google_storage_bucket_iam_member": granted("storage.buckets"),
}  # fmt: skip
#: What the configuration needs in addition if a text occurs in it.
BLOCKS = {
    # The API of Monitoring stores such a condition as a rule of Cloud Logging:
    # https://cloud.google.com/logging/docs/alerting/log-based-alerts
    "condition_matched_log": managed("logging.notificationRules"),
    'backend "gcs"': {
        "storage.objects.create",
        "storage.objects.get",
        "storage.objects.delete",
        "storage.objects.list",
    },
    'data "google_project"': {"resourcemanager.projects.get"},
}
#: What a build that is submitted by hand needs in addition, because all its steps then run as this account.
BUILD = {
    "docker push": {"artifactregistry.repositories.uploadArtifacts"},
    "scripts/export-sbom.sh": {
        "containeranalysis.notes.create", "containeranalysis.notes.attachOccurrence",
        "containeranalysis.occurrences.create", "containeranalysis.occurrences.list",
        "storage.buckets.create",
    },
    "CLOUD_LOGGING_ONLY": {"logging.logEntries.create"},
    "scripts/smoke-test.sh": {
        "bigquery.jobs.create", "bigquery.tables.getData", "pubsub.subscriptions.getIamPolicy",
        "pubsub.topics.getIamPolicy", "pubsub.topics.publish",
        "run.services.get", "run.services.getIamPolicy",
    },
}  # fmt: skip
#: The permissions of each role, as far as they occur above: the prefix of a permission, or a whole one.
ROLES = {
    "roles/artifactregistry.admin": ("artifactregistry.",),
    "roles/bigquery.admin": ("bigquery.",),
    "roles/cloudbuild.builds.editor": (
        "cloudbuild.builds.create",
        "cloudbuild.builds.get",
        "cloudbuild.builds.update",
    ),
    "roles/cloudbuild.connectionViewer": ("cloudbuild.repositories.get",),
    "roles/cloudscheduler.admin": ("cloudscheduler.",),
    "roles/compute.networkAdmin": (
        "compute.addresses.",
        "compute.networks.",
        "compute.routers.",
        "compute.subnetworks.",
    ),
    "roles/containeranalysis.admin": ("containeranalysis.",),
    "roles/iam.serviceAccountAdmin": (
        *sorted(managed("iam.serviceAccounts")),
        *sorted(granted("iam.serviceAccounts")),
    ),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs",),
    "roles/iap.admin": ("iap.webServices.",),
    "roles/logging.configWriter": ("logging.notificationRules.", "logging.exclusions."),
    "roles/logging.logWriter": ("logging.logEntries.create",),
    "roles/monitoring.editor": (
        "monitoring.alertPolicies.",
        "monitoring.dashboards.",
        "monitoring.notificationChannels.",
    ),
    "roles/pubsub.admin": ("pubsub.",),
    "roles/resourcemanager.projectIamAdmin": (
        "resourcemanager.projects.get",
        "resourcemanager.projects.setIamPolicy",
    ),
    "roles/run.admin": ("run.",),
    "roles/secretmanager.admin": ("secretmanager.",),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.",),
    "roles/storage.admin": ("storage.",),
}


def roles() -> list[str]:
    """Return the roles in the list of the bootstrap script."""
    return LINE.findall((ROOT / "scripts" / "deployer-roles.txt").read_text(encoding="utf-8"))


def configuration() -> str:
    """Return the text of Terraform's configuration."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "terraform").glob("*.tf"))


def needed(configuration: str, build: str) -> set[str]:
    """Return the permissions that a configuration and a build need.

    Raises:
        KeyError: if TYPES lacks a type of resource.
    """
    types = set(re.findall(r'^resource "(google_\w+)"', configuration, re.MULTILINE))
    found = [TYPES[each] for each in types]
    found += [permissions for text, permissions in BLOCKS.items() if text in configuration]
    found += [permissions for text, permissions in BUILD.items() if text in build]
    return set().union(*found)


def missing_and_superfluous(roles: list[str], permissions: set[str]) -> tuple[list[str], list[str]]:
    """Return the permissions that no role has, and the roles of which no permission is needed."""

    def allowed(role: str) -> set[str]:
        return {each for each in permissions if each.startswith(ROLES[role])}

    missing = permissions.difference(*map(allowed, roles))
    return sorted(missing), [role for role in roles if not allowed(role)]


def test_deployer_has_the_permissions_that_terraform_and_the_build_need_and_no_role_without_need() -> None:
    """Each resource type and build step has the permissions that it needs, and each role is needed by one."""
    build = (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")
    assert missing_and_superfluous(roles(), needed(configuration(), build)) == ([], [])


@pytest.mark.parametrize("text", [*BLOCKS, *TYPES])
def test_every_expected_text_occurs_in_the_configuration(text: str) -> None:
    """The tables of this test name only resource types and blocks that the configuration has."""
    assert text in configuration()


@pytest.mark.parametrize("text", BUILD)
def test_every_expected_text_occurs_in_the_build(text: str) -> None:
    """The table of build steps names only what the build executes."""
    assert text in (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")


def test_missing_and_superfluous_roles_are_found() -> None:
    """The comparison names a permission that no role has, and a role that nothing needs."""
    alert = 'resource "google_monitoring_alert_policy" "x" {\n  condition_matched_log {'
    found = missing_and_superfluous(["roles/monitoring.editor", "roles/run.admin"], needed(alert, ""))
    assert found == (sorted(BLOCKS["condition_matched_log"]), ["roles/run.admin"])


def test_every_line_of_the_list_has_a_role_and_a_reason() -> None:
    """The list contains only comments and lines with a role and its reason, each role once, in order."""
    text = (ROOT / "scripts" / "deployer-roles.txt").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if not line.startswith("#") and not LINE.match(line)] == []
    assert roles() == sorted(set(roles()))
