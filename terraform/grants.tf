# A new grant is usually known everywhere within two minutes: https://cloud.google.com/iam/docs/access-change-propagation
# What Google checks when it creates a resource fails before that, and the provider does not repeat it: creating a BigQuery subscription
# immediately after its grants ended with status 403 in 35 % of the provider's own acceptance tests
# (https://github.com/hashicorp/terraform-provider-google/issues/17397). So Terraform waits once after such grants were made or replaced.

resource "terraform_data" "ledger_grants_are_known" {
  triggers_replace = [
    google_bigquery_dataset_iam_member.agent_reads_ledger_metadata.id,
    values(google_bigquery_table_iam_member.agent_writes_ledger)[*].id,
    google_pubsub_topic_iam_member.agent_publishes_ledger_dead.id,
  ]

  provisioner "local-exec" {
    command = "sleep 60"
  }
}

# Cloud Run refuses a revision whose account may not read its secrets.
resource "terraform_data" "secret_grants_are_known" {
  count = length(var.secrets) == 0 ? 0 : 1

  triggers_replace = values(google_secret_manager_secret_iam_member.worker_reads_secret)[*].id

  provisioner "local-exec" {
    command = "sleep 60"
  }
}
