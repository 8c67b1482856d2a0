locals {
  registry = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "alert_policy_ids" {
  description = "The alert policies, by the runbook's heading."
  value = merge(
    { for name, policy in google_monitoring_alert_policy.threshold : name => policy.id },
    { for policy in google_monitoring_alert_policy.missed_schedule : "missed-schedule" => policy.id },
    { for policy in google_monitoring_alert_policy.silence : "silence" => policy.id },
  )
}

output "artifact_registry_url" {
  description = "Where the images go."
  value       = local.registry
}

output "dashboard_url" {
  description = "The dashboard."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.this.id))[0]}?project=${var.project_id}"
}

output "dead_letter_subscription" {
  description = "Where dead letters wait."
  value       = google_pubsub_subscription.dead.name
}

output "dead_letter_topic" {
  description = "The topic of dead letters."
  value       = google_pubsub_topic.dead.name
}

output "dispatch_commands" {
  description = "Dispatches a crawl now, by its name."
  value = {
    for name, job in google_cloud_scheduler_job.crawl :
    name => "gcloud scheduler jobs run ${job.name} --project=${var.project_id} --location=${var.region}"
  }
}

output "dispatcher_uri" {
  description = "The dispatcher, for Cloud Scheduler and Pub/Sub of the project."
  value       = local.dispatcher_url
  depends_on  = [google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher]
}

output "egress_addresses" {
  description = "The addresses that sites see, where vpc fixes them."
  value       = google_compute_address.egress[*].address
}

output "jobs_topic" {
  description = "The topic of jobs."
  value       = google_pubsub_topic.jobs.name
}

output "ledger_dataset" {
  description = "The ledger, as PROJECT.DATASET."
  value       = "${var.project_id}.${google_bigquery_dataset.ledger.dataset_id}"
}

output "outcomes_topic" {
  description = "The topic of outcomes."
  value       = google_pubsub_topic.outcomes.name
}

output "peek_dead_letters_command" {
  description = "Shows ten dead letters. They are not acknowledged, and come back after ten minutes."
  value       = "gcloud pubsub subscriptions pull ${google_pubsub_subscription.dead.name} --project=${var.project_id} --limit=10 --format='json(message.attributes,message.messageId,message.publishTime)'"
}

output "push_capacity" {
  description = "Pages at once (slots), beside the pushes that Pub/Sub may hold open while they are slow."
  value = {
    slots      = local.push_slots
    push_floor = local.push_floor
    verdict = local.push_slots >= local.push_floor ? (
      "Every push that Pub/Sub holds open has a slot: none is turned away."
      ) : (
      "Of a long backlog of slow pages Pub/Sub may push ${local.push_floor - local.push_slots} more than there are slots. Cloud Run answers those 429, which costs each an attempt: keep runs short, raise max_delivery_attempts, or have ${ceil(local.push_floor / var.worker_concurrency)} instances."
    )
  }
}

output "push_subscription" {
  description = "What pushes jobs to the worker."
  value       = google_pubsub_subscription.push.name
}

output "replay_all_command" {
  description = "Replays all dead letters without passing them through your machine, from the repository's root. You need roles/iam.serviceAccountUser on the replay account."
  value = join(" ", [
    "scripts/replay-dead-letters.sh replay-all --project ${var.project_id} --subscription ${google_pubsub_subscription.dead.name}",
    "--dispatcher ${local.dispatcher_url} --service-account ${google_service_account.replay.email}",
  ])
  depends_on = [google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher, google_service_account_iam_member.agent_signs_as_replay]
}

output "replay_all_gcloud_commands" {
  description = "The same by hand: start, and once none is left, stop."
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
  description = "Replays ten dead letters, one by one, from the repository's root."
  value       = "scripts/replay-dead-letters.sh replay 10 --project ${var.project_id} --subscription ${google_pubsub_subscription.dead.name} --topic ${google_pubsub_topic.jobs.name}"
}

output "service_accounts" {
  description = "The accounts' emails, by what they are for."
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
  )
}

output "worker_uri" {
  description = "The worker, for Pub/Sub of the project."
  value       = local.worker_url
  depends_on  = [google_cloud_run_v2_service_iam_member.push_invokes_worker]
}
