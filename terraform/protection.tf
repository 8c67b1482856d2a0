# What a destroy may remove.
locals {
  # A topic or a subscription that is replaced loses its messages: jobs that were not delivered, dead letters that were not replayed.
  queue_deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"
  # ABANDON: a destroy removes the ledger from Terraform's state and leaves it in BigQuery.
  ledger_deletion_policy = var.ledger_deletion_protection ? "ABANDON" : "DELETE"
  # Views are replaced by upgrades, which must delete the old ones. Only a teardown, which is not protected, keeps them.
  view_deletion_policy = var.deletion_protection ? "DELETE" : local.ledger_deletion_policy

  ledger_path = "projects/${var.project_id}/datasets/${var.ledger_dataset}"
}

# Terraform destroys this resource first, because it depends on all others, and while the stack is protected its destruction fails. Without
# it, a destroy would remove schedules, alerts and subscriptions before it stopped at the first protected resource. The value of `self` is
# that of the last apply.
resource "terraform_data" "deletion_protection" {
  input = var.deletion_protection

  provisioner "local-exec" {
    when    = destroy
    command = self.input ? "echo deletion_protection is true, so nothing was destroyed. Set it to false and apply before you destroy the stack. && exit 1" : "exit 0"
  }

  # Every resource on which no other one depends.
  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes_images,
    google_bigquery_dataset_iam_member.operators_read_ledger,
    google_bigquery_routine.view_over_views_since,
    google_bigquery_table.view_over_views,
    google_billing_budget.this,
    google_cloud_run_v2_service_iam_member.finds_console,
    google_cloud_run_v2_service_iam_member.invokes_console,
    google_cloudbuild_trigger.check,
    google_cloudbuild_trigger.roll_out,
    google_iap_web_cloud_run_service_iam_member.passes_proxy,
    google_logging_project_exclusion.successful_requests,
    google_monitoring_alert_policy.infrastructure_dead_letters,
    google_monitoring_alert_policy.missed_schedule,
    google_monitoring_alert_policy.silence,
    google_monitoring_dashboard.this,
    google_project_iam_member.approves_roll_outs,
    google_project_iam_member.operators_run_queries,
    google_pubsub_subscription_iam_member.agent_takes_from_ledger,
    google_pubsub_subscription_iam_member.agent_takes_from_push,
    google_pubsub_subscription_iam_member.operators_pause_pushes,
    google_pubsub_subscription_iam_member.operators_see_subscriptions,
    google_pubsub_subscription_iam_member.operators_take_dead_letters,
    google_pubsub_topic_iam_member.operators_label_jobs,
    google_pubsub_topic_iam_member.operators_record_acts,
    google_pubsub_topic_iam_member.worker_publishes_dead,
    google_pubsub_topic_iam_member.worker_publishes_jobs,
    google_pubsub_topic_iam_member.worker_reads_labels,
    google_service_account_iam_member.build_impersonates_deployer,
    google_service_account_iam_member.operators_use_push,
  ]
}

# A ledger that an earlier stack has left in BigQuery becomes the ledger of this one.
import {
  for_each = var.adopt_ledger ? toset([local.ledger_path]) : []
  to       = google_bigquery_dataset.ledger
  id       = each.value
}

import {
  for_each = var.adopt_ledger ? toset(keys(local.ledger_tables)) : []
  to       = google_bigquery_table.ledger[each.key]
  id       = "${local.ledger_path}/tables/${each.key}"
}

import {
  for_each = var.adopt_ledger ? setsubtract(keys(local.ledger_views), local.views_over_views) : []
  to       = google_bigquery_table.view[each.key]
  id       = "${local.ledger_path}/tables/${each.key}"
}

import {
  for_each = var.adopt_ledger ? local.views_over_views : []
  to       = google_bigquery_table.view_over_views[each.key]
  id       = "${local.ledger_path}/tables/${each.key}"
}
