"""Tests that Terraform waits between a grant and what Google refuses until the grant is known everywhere."""

from tests.terraform.lifecycle import LIFECYCLES, CopyStack, Lifecycle

LEDGER_GRANTS = {
    "google_bigquery_dataset_iam_member.agent_reads_ledger_metadata",
    "google_bigquery_table_iam_member.agent_writes_ledger",
    "google_pubsub_topic_iam_member.agent_publishes_ledger_dead",
}


def dependencies(lifecycle: Lifecycle, address: str) -> set[str]:
    """Return the addresses on which a resource depends, without the keys of its instances."""
    resources = (each for each in lifecycle.resources if each["address"].partition("[")[0] == address)
    return {name for each in resources for name in each["depends_on"]}


def test_ledger_subscriptions_wait_for_the_grants_of_the_service_agent(lifecycle: Lifecycle) -> None:
    """Each BigQuery subscription is created after the wait, and the wait begins after all three grants."""
    assert dependencies(lifecycle, "terraform_data.ledger_grants_are_known") >= LEDGER_GRANTS
    waits = "terraform_data.ledger_grants_are_known"
    assert waits in dependencies(lifecycle, "google_pubsub_subscription.ledger")


def test_worker_with_secrets_waits_for_the_grants_on_them(lifecycle: Lifecycle) -> None:
    """A worker that has secrets is created after the wait, which begins after the grants on the secrets."""
    grants = "google_secret_manager_secret_iam_member.worker_reads_secret"
    waits = dependencies(lifecycle, "terraform_data.secret_grants_are_known")
    assert (grants in waits) == bool(lifecycle.secret_variables("worker"))
    if waits:
        assert "terraform_data.secret_grants_are_known" in dependencies(
            lifecycle, "google_cloud_run_v2_service.worker"
        )


def test_apply_waits_once_for_a_minute(copy_stack: CopyStack) -> None:
    """The first apply waits for 60 s after the ledger's grants, and a second one does not wait."""
    stack = copy_stack()
    options = ("-auto-approve", "-target=terraform_data.ledger_grants_are_known", *LIFECYCLES["small"])
    stack.succeed("apply", *options)
    assert stack.sleeps.read_text(encoding="utf-8") == "60\n"
    stack.succeed("apply", *options)
    assert stack.sleeps.read_text(encoding="utf-8") == "60\n"
