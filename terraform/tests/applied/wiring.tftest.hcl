# Tests of the references between resources of an applied stack, whose emails, URLs and numbers come from the provider. They
# need the offline stand-in of the provider (tests/offline): with the real one, they would create every resource. Therefore a
# plain `terraform test` does not run this file; `terraform test -test-directory=tests/applied` does.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
  environment = "staging"
  # The stack is destroyed after the test.
  deletion_protection        = false
  ledger_deletion_protection = false
  images = {
    dispatcher = "europe-west1-docker.pkg.dev/my-project/scrapeq/dispatcher@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    worker     = "europe-west1-docker.pkg.dev/my-project/scrapeq/worker@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  }
}

run "references_between_resources" {
  # Google gives a service two URLs, which `urls` lists. The stack uses the one that is known before the service exists (locals.tf);
  # the other one is `uri`. After an apply, the name of a service in a grant is its full path.
  assert {
    condition     = contains(google_cloud_run_v2_service.worker.urls, local.worker_url) && contains(google_cloud_run_v2_service.dispatcher.urls, local.dispatcher_url)
    error_message = "A URL in locals.tf is not one of its service's URLs."
  }

  # The push subscription pushes to the worker, as an account that has no other permission.
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].push_endpoint == local.worker_url
    error_message = "The push endpoint is not the worker's URL."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].audience == local.worker_url
    error_message = "The audience of the push tokens is not the worker's URL."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email == google_service_account.push.email
    error_message = "The push tokens are not those of the push account."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.push_invokes_worker.member == google_service_account.push.member && basename(google_cloud_run_v2_service_iam_member.push_invokes_worker.name) == google_cloud_run_v2_service.worker.name
    error_message = "The push account is not permitted to call the worker."
  }
  # The rest of a dispatch is pushed to the dispatcher, as an account whose tokens it accepts.
  assert {
    condition     = google_pubsub_subscription.shards.topic == google_pubsub_topic.shards.id && google_pubsub_subscription.shards.push_config[0].push_endpoint == "${local.dispatcher_url}/shards"
    error_message = "Shards are not pushed to the dispatcher."
  }
  assert {
    condition     = google_pubsub_subscription.shards.push_config[0].oidc_token[0].audience == { for env in google_cloud_run_v2_service.dispatcher.template[0].containers[0].env : env.name => env.value }["PUSH_AUDIENCE"] && google_pubsub_subscription.shards.push_config[0].oidc_token[0].service_account_email == { for env in google_cloud_run_v2_service.dispatcher.template[0].containers[0].env : env.name => env.value }["PUSH_SERVICE_ACCOUNT"]
    error_message = "The tokens of shards are not those that the dispatcher accepts."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dispatcher_publishes_shards.member == google_service_account.dispatcher.member && google_pubsub_topic_iam_member.dispatcher_publishes_shards.topic == google_pubsub_topic.shards.id
    error_message = "The dispatcher is not permitted to publish shards."
  }
  assert {
    condition     = google_pubsub_subscription.push.topic == google_pubsub_topic.jobs.id
    error_message = "The push subscription does not belong to the jobs topic."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }["PUSH_AUDIENCE"] == local.worker_url
    error_message = "The worker expects tokens with an audience other than its own URL."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }["PUSH_SERVICE_ACCOUNT"] == google_service_account.push.email
    error_message = "The worker expects tokens of an account other than the push account."
  }

  # Cloud Scheduler calls the dispatcher, and so does Pub/Sub for a replay.
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].http_target[0].uri == "${local.dispatcher_url}/"
    error_message = "Cloud Scheduler does not post crawls to the dispatcher."
  }
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].http_target[0].oidc_token[0].audience == local.dispatcher_url && google_cloud_scheduler_job.crawl["canary"].http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email
    error_message = "Cloud Scheduler's token has another audience than the dispatcher, or another account."
  }
  assert {
    condition     = jsondecode(base64decode(google_cloud_scheduler_job.crawl["canary"].http_target[0].body)).name == "canary"
    error_message = "The body of Cloud Scheduler's request is not the crawl."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher.member == google_service_account.scheduler.member && basename(google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher.name) == google_cloud_run_v2_service.dispatcher.name
    error_message = "Cloud Scheduler's account is not permitted to call the dispatcher."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher.member == google_service_account.replay.member && basename(google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher.name) == google_cloud_run_v2_service.dispatcher.name
    error_message = "The replay account is not permitted to call the dispatcher."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.dispatcher.template[0].containers[0].env : env.name => env.value }["PUSH_AUDIENCE"] == local.dispatcher_url
    error_message = "The dispatcher expects tokens with an audience other than its own URL."
  }

  # The deadline chain.
  assert {
    condition = google_pubsub_subscription.push.ack_deadline_seconds == 600 && google_cloud_run_v2_service.worker.template[0].timeout == "570s" && [
      for name in ["ACK_DEADLINE_SECONDS", "QUEUE_SECONDS", "REQUEST_TIMEOUT_SECONDS", "PAGE_BUDGET_SECONDS", "WAIT_BUDGET_SECONDS"] :
      { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }[name]
    ] == ["600", "30", "570", "40", "520"]
    error_message = "An ack deadline of 600 s must give 30 s to Cloud Run's queue, 40 s to a page and 520 s to waiting."
  }
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].attempt_deadline == google_cloud_run_v2_service.dispatcher.template[0].timeout
    error_message = "Cloud Scheduler's attempt deadline is not the dispatcher's request timeout."
  }

  # Dead letters: every dead-letter policy needs two grants, and every dead-letter topic needs a subscription.
  assert {
    condition = alltrue([
      for subscription in concat([google_pubsub_subscription.push], values(google_pubsub_subscription.ledger)) :
      contains([google_pubsub_topic.dead.id, google_pubsub_topic.ledger_dead.id], subscription.dead_letter_policy[0].dead_letter_topic)
    ])
    error_message = "A subscription has no dead-letter policy, or one with another topic."
  }
  assert {
    condition = toset([
      for grant in concat([google_pubsub_subscription_iam_member.agent_takes_from_push], values(google_pubsub_subscription_iam_member.agent_takes_from_ledger)) :
      grant.subscription if grant.role == "roles/pubsub.subscriber" && strcontains(grant.member, "@gcp-sa-pubsub.iam.gserviceaccount.com")
    ]) == toset([for subscription in concat([google_pubsub_subscription.push], values(google_pubsub_subscription.ledger)) : subscription.name])
    error_message = "Pub/Sub's service agent is not a subscriber of every subscription with a dead-letter policy."
  }
  assert {
    condition = toset([
      for grant in [google_pubsub_topic_iam_member.agent_publishes_dead, google_pubsub_topic_iam_member.agent_publishes_ledger_dead] :
      grant.topic if grant.role == "roles/pubsub.publisher" && strcontains(grant.member, "@gcp-sa-pubsub.iam.gserviceaccount.com")
    ]) == toset([google_pubsub_topic.dead.id, google_pubsub_topic.ledger_dead.id])
    error_message = "Pub/Sub's service agent is not permitted to publish to every dead-letter topic."
  }
  assert {
    condition     = google_pubsub_subscription.dead.topic == google_pubsub_topic.dead.id && length(google_pubsub_subscription.dead.push_config) == 0 && google_pubsub_subscription.ledger_dead.topic == google_pubsub_topic.ledger_dead.id
    error_message = "A dead-letter topic has no pull subscription that keeps its messages."
  }
  assert {
    condition = alltrue([
      for subscription in concat([google_pubsub_subscription.push, google_pubsub_subscription.dead, google_pubsub_subscription.ledger_dead], values(google_pubsub_subscription.ledger)) :
      subscription.expiration_policy[0].ttl == ""
    ])
    error_message = "A subscription would be deleted after it was idle for 31 days."
  }

  # The ledger.
  assert {
    condition     = google_pubsub_subscription.ledger["outcomes"].bigquery_config[0].use_table_schema && google_pubsub_subscription.ledger["outcomes"].bigquery_config[0].drop_unknown_fields && google_pubsub_subscription.ledger["operator_log"].bigquery_config[0].use_table_schema && !google_pubsub_subscription.ledger["jobs"].bigquery_config[0].use_table_schema && !google_pubsub_subscription.ledger["dead_letters"].bigquery_config[0].use_table_schema && !google_pubsub_subscription.ledger["dispatches"].bigquery_config[0].use_table_schema
    error_message = "Outcomes and acts of operators must be written to columns; jobs, dead letters and dispatches must be written as bytes."
  }
  assert {
    condition     = alltrue([for table, subscription in google_pubsub_subscription.ledger : subscription.bigquery_config[0].write_metadata && subscription.bigquery_config[0].table == "my-project.scrapeq.${table}"])
    error_message = "A ledger subscription writes to another table, or without metadata."
  }
  assert {
    condition     = keys(google_bigquery_table_iam_member.agent_writes_ledger) == keys(google_pubsub_subscription.ledger) && google_bigquery_dataset_iam_member.agent_reads_ledger_metadata.role == "roles/bigquery.metadataViewer"
    error_message = "Pub/Sub's service agent is not permitted to write to every table of the ledger."
  }
  assert {
    condition     = length(google_bigquery_table.view_over_views) > 0 && alltrue([for over in google_bigquery_table.view_over_views : anytrue([for view in keys(google_bigquery_table.view) : strcontains(over.view[0].query, "`my-project.scrapeq.${view}`")])])
    error_message = "A view in view_over_views does not read a view of google_bigquery_table.view."
  }

  # No service is public, and each runs the image that was set.
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && service.invoker_iam_disabled != true])
    error_message = "A service allows traffic from the internet or unauthenticated requests."
  }
  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].containers[0].image == var.images.worker && google_cloud_run_v2_service.dispatcher.template[0].containers[0].image == var.images.dispatcher
    error_message = "A service does not run the image of var.images."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].startup_probe[0].http_get[0].path == "/startup" && service.template[0].containers[0].liveness_probe[0].http_get[0].path == "/healthz"])
    error_message = "The startup probe does not request /startup, or the liveness probe not /healthz."
  }
  assert {
    condition     = google_pubsub_topic.jobs.effective_labels["environment"] == "staging" && google_cloud_run_v2_service.worker.template[0].labels["app"] == "scrapeq"
    error_message = "A resource has no label app or environment."
  }
  assert {
    condition     = google_bigquery_dataset.ledger.delete_contents_on_destroy == false
    error_message = "Outside dev, the ledger must not be destroyed together with its rows."
  }

  # Ordering.
  assert {
    condition     = google_pubsub_subscription.push.enable_message_ordering
    error_message = "Message ordering is not enabled; Pub/Sub cannot enable it later."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.worker_publishes_jobs.member == google_service_account.worker.member && google_pubsub_topic_iam_member.worker_publishes_jobs.topic == google_pubsub_topic.jobs.id
    error_message = "The worker is not permitted to publish the jobs of further pages of a listing."
  }
}

# By default, the stack has no build triggers, no network and no permission for the worker to publish dead letters.
run "options_are_off_by_default" {
  command = plan

  assert {
    condition     = length(google_cloudbuild_trigger.roll_out) + length(google_cloudbuild_trigger.check) + length(google_compute_network.egress) + length(google_pubsub_topic_iam_member.worker_publishes_dead) + length(google_monitoring_alert_policy.silence) == 0
    error_message = "A resource of an option exists although the option is not set."
  }
}
