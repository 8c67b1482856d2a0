locals {
  registry = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "alert_policy_ids" {
  description = "Ids of the alert policies, by the heading in the runbook."
  value = merge(
    { for name, policy in google_monitoring_alert_policy.threshold : name => policy.id },
    { for policy in google_monitoring_alert_policy.missed_schedule : "missed-schedule" => policy.id },
    {
      infrastructure-dead-letters = google_monitoring_alert_policy.infrastructure_dead_letters.id
      refused-pushes              = google_monitoring_alert_policy.refused_pushes.id
    },
    { for policy in google_monitoring_alert_policy.silence : "silence" => policy.id },
  )
}

output "artifact_registry_url" {
  description = "Registry that the images are pushed to."
  value       = local.registry
}

output "capacity" {
  description = "Maximum number of pushes that the workers take at the same time (push_slots), compared with the number of pushes that Pub/Sub may keep open even if pages are slow (push_floor); maximum number of pages that are processed at the same time (page_slots); and what this means (verdict)."
  value = {
    push_slots = local.push_slots
    push_floor = local.min_push_window
    page_slots = local.page_slots
    verdict = join(" ", compact([
      local.push_slots >= local.min_push_window ? "Every push has a slot, so Cloud Run refuses none with 429." : local.capacity_advice.push_slots,
      local.page_slot_seconds <= local.wait_budget_seconds ? "Every push gets a page slot within its wait budget, even if each page takes the page budget." : local.capacity_advice.page_slots,
    ]))
  }
}

output "console" {
  description = "How to open the operator's page, if console is set: a URL with iap, otherwise a command that serves it at http://localhost:8088."
  value       = var.console == null ? null : local.console_iap ? "https://${local.console_host}/" : "gcloud run services proxy ${local.console_name} --project=${var.project_id} --region=${var.region} --port=8088"
  depends_on  = [google_cloud_run_v2_service_iam_member.invokes_console]
}

output "dashboard_url" {
  description = "URL of the dashboard."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.this.id))[0]}?project=${var.project_id}"
}

output "dead_letter_subscription" {
  description = "Subscription that keeps the dead letters."
  value       = google_pubsub_subscription.dead.name
}

output "dead_letter_topic" {
  description = "Topic of the dead letters."
  value       = google_pubsub_topic.dead.name
}

output "dispatch_subscription" {
  description = "Subscription that pushes shards to the dispatcher: what does not fit into one request of a dispatch."
  value       = google_pubsub_subscription.shards.name
}

output "dispatch_topic" {
  description = "Topic of the shards."
  value       = google_pubsub_topic.shards.name
}

output "dispatch_commands" {
  description = "Commands that dispatch a crawl now, by the crawl's name."
  value = {
    for name, job in google_cloud_scheduler_job.crawl :
    name => "gcloud scheduler jobs run ${job.name} --project=${var.project_id} --location=${var.region}"
  }
}

output "dispatcher_uri" {
  description = "URL of the dispatcher; only Cloud Scheduler and Pub/Sub of the project can reach it."
  value       = local.dispatcher_url
  depends_on  = [google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher]
}

output "egress_addresses" {
  description = "Static egress addresses that sites see, if vpc is set."
  value       = google_compute_address.egress[*].address
}

output "jobs_topic" {
  description = "Topic of the jobs."
  value       = google_pubsub_topic.jobs.name
}

output "ledger_address" {
  description = "Value of the variable LEDGER, with which scrapeq reads and controls this stack."
  value       = local.ledger_address
}

output "ledger_dataset" {
  description = "The ledger's dataset, as PROJECT.DATASET."
  value       = "${var.project_id}.${google_bigquery_dataset.ledger.dataset_id}"
}

output "outcomes_topic" {
  description = "Topic of the outcomes."
  value       = google_pubsub_topic.outcomes.name
}

output "peek_dead_letters_command" {
  description = "Command that shows ten dead letters without acknowledging them; they are delivered again after ten minutes."
  value       = "gcloud pubsub subscriptions pull ${google_pubsub_subscription.dead.name} --project=${var.project_id} --limit=10 --format='json(message.attributes,message.messageId,message.publishTime)'"
}

output "push_subscription" {
  description = "Subscription that pushes jobs to the worker."
  value       = google_pubsub_subscription.push.name
}

output "replay_all_command" {
  description = "Command that replays all dead letters in the cloud, run from the repository's root. It needs roles/iam.serviceAccountUser on the replay account."
  value = join(" ", [
    "scripts/replay-dead-letters.sh replay-all --project ${var.project_id} --subscription ${google_pubsub_subscription.dead.name}",
    "--dispatcher ${local.dispatcher_url} --service-account ${google_service_account.replay.email}",
  ])
  depends_on = [google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher, google_service_account_iam_member.agent_signs_as_replay]
}

output "replay_all_gcloud_commands" {
  description = "gcloud commands that replay all dead letters: run start, and run stop when no dead letter is left."
  value = {
    start = join(" ", [
      "gcloud pubsub subscriptions modify-push-config ${google_pubsub_subscription.dead.name} --project=${var.project_id}",
      "--push-endpoint=${local.dispatcher_url}/replay",
      "--push-auth-service-account=${google_service_account.replay.email} --push-auth-token-audience=${local.dispatcher_url}",
    ])
    stop = "gcloud pubsub subscriptions modify-push-config ${google_pubsub_subscription.dead.name} --project=${var.project_id} --push-endpoint="
  }
  depends_on = [google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher, google_service_account_iam_member.agent_signs_as_replay]
}

output "replay_command" {
  description = "Command that replays ten dead letters, one by one, run from the repository's root."
  value       = "scripts/replay-dead-letters.sh replay 10 --project ${var.project_id} --subscription ${google_pubsub_subscription.dead.name} --topic ${google_pubsub_topic.jobs.name}"
}

output "service_accounts" {
  description = "Emails of the service accounts, by purpose."
  value = merge(
    {
      dispatcher = google_service_account.dispatcher.email
      push       = google_service_account.push.email
      replay     = google_service_account.replay.email
      scheduler  = google_service_account.scheduler.email
      worker     = google_service_account.worker.email
    },
    { for account in google_service_account.build : "build" => account.email },
    { for account in google_service_account.check : "check" => account.email },
    { for account in google_service_account.console : "console" => account.email },
  )
}

output "smoke_test" {
  description = "Settings of scripts/smoke-test.sh, one NAME=VALUE on each line: terraform output -raw smoke_test."
  value       = join("", [for name, value in local.smoke_test : "${name}=${value}\n"])
  depends_on = [
    google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher,
    google_pubsub_subscription.ledger,
    google_pubsub_subscription.shards,
    google_pubsub_subscription_iam_member.agent_takes_from_push,
  ]
}

output "worker_uri" {
  description = "URL of the worker; only Pub/Sub of the project can reach it."
  value       = local.worker_url
  depends_on  = [google_cloud_run_v2_service_iam_member.push_invokes_worker]
}
