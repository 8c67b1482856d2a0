# What feeds into what, on a stack that was applied: emails, URLs and numbers are the provider's, not mocked. Only for the
# provider's stand-in, since the real one would make it all. So `terraform test` alone does not run this, and
# `terraform test -test-directory=tests/applied` does.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
  environment = "staging"
  # Otherwise what was applied here could not be taken down.
  deletion_protection = false
  images = {
    dispatcher = "europe-west1-docker.pkg.dev/my-project/scrapeq/dispatcher@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    worker     = "europe-west1-docker.pkg.dev/my-project/scrapeq/worker@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  }
}

run "applied" {
  # The push subscription pushes to the worker, as an account that may do that and nothing else.
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].push_endpoint == google_cloud_run_v2_service.worker.uri
    error_message = "Jobs are not pushed to the worker."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].audience == google_cloud_run_v2_service.worker.uri
    error_message = "The pushes' tokens are not for the worker."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email == google_service_account.push.email
    error_message = "The pushes are not of the push account."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.push_invokes_worker.member == google_service_account.push.member && google_cloud_run_v2_service_iam_member.push_invokes_worker.name == google_cloud_run_v2_service.worker.name
    error_message = "The push account may not call the worker."
  }
  assert {
    condition     = google_pubsub_subscription.push.topic == google_pubsub_topic.jobs.id
    error_message = "The push subscription is not of the jobs topic."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }["PUSH_AUDIENCE"] == google_cloud_run_v2_service.worker.uri
    error_message = "The worker expects tokens for another URL than its own."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }["PUSH_SERVICE_ACCOUNT"] == google_service_account.push.email
    error_message = "The worker expects tokens of another account."
  }

  # The dispatcher is called by Cloud Scheduler, and by Pub/Sub for replays.
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].http_target[0].uri == "${google_cloud_run_v2_service.dispatcher.uri}/"
    error_message = "Crawls are not posted to the dispatcher."
  }
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].http_target[0].oidc_token[0].audience == google_cloud_run_v2_service.dispatcher.uri && google_cloud_scheduler_job.crawl["canary"].http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email
    error_message = "Cloud Scheduler does not identify itself to the dispatcher."
  }
  assert {
    condition     = jsondecode(base64decode(google_cloud_scheduler_job.crawl["canary"].http_target[0].body)).name == "canary"
    error_message = "The body is not the crawl."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher.member == google_service_account.scheduler.member && google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher.name == google_cloud_run_v2_service.dispatcher.name
    error_message = "Cloud Scheduler may not call the dispatcher."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher.member == google_service_account.replay.member && google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher.name == google_cloud_run_v2_service.dispatcher.name
    error_message = "Replays may not call the dispatcher."
  }
  assert {
    condition     = { for env in google_cloud_run_v2_service.dispatcher.template[0].containers[0].env : env.name => env.value }["PUSH_AUDIENCE"] == google_cloud_run_v2_service.dispatcher.uri
    error_message = "The dispatcher expects replays for another URL than its own."
  }

  # The deadline chain.
  assert {
    condition     = google_pubsub_subscription.push.ack_deadline_seconds == 60 && google_cloud_run_v2_service.worker.template[0].timeout == "55s" && { for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.name => env.value }["PAGE_BUDGET_SECONDS"] == "40"
    error_message = "60 s to acknowledge leave 55 for the request and 40 for the page."
  }
  assert {
    condition     = google_cloud_scheduler_job.crawl["canary"].attempt_deadline == google_cloud_run_v2_service.dispatcher.template[0].timeout
    error_message = "Cloud Scheduler does not wait as long as the dispatcher may take."
  }

  # Dead letters: both grants for every policy, and a subscription that keeps what arrives.
  assert {
    condition = alltrue([
      for subscription in concat([google_pubsub_subscription.push], values(google_pubsub_subscription.ledger)) :
      contains([google_pubsub_topic.dead.id, google_pubsub_topic.ledger_dead.id], subscription.dead_letter_policy[0].dead_letter_topic)
    ])
    error_message = "A subscription has no dead-letter policy, or one with an unknown topic."
  }
  assert {
    condition = toset([
      for grant in concat([google_pubsub_subscription_iam_member.agent_takes_from_push], values(google_pubsub_subscription_iam_member.agent_takes_from_ledger)) :
      grant.subscription if grant.role == "roles/pubsub.subscriber" && strcontains(grant.member, "@gcp-sa-pubsub.iam.gserviceaccount.com")
    ]) == toset([for subscription in concat([google_pubsub_subscription.push], values(google_pubsub_subscription.ledger)) : subscription.name])
    error_message = "Pub/Sub's agent may not take dead letters from every subscription with a policy."
  }
  assert {
    condition = toset([
      for grant in [google_pubsub_topic_iam_member.agent_publishes_dead, google_pubsub_topic_iam_member.agent_publishes_ledger_dead] :
      grant.topic if grant.role == "roles/pubsub.publisher" && strcontains(grant.member, "@gcp-sa-pubsub.iam.gserviceaccount.com")
    ]) == toset([google_pubsub_topic.dead.id, google_pubsub_topic.ledger_dead.id])
    error_message = "Pub/Sub's agent may not publish dead letters."
  }
  assert {
    condition     = google_pubsub_subscription.dead.topic == google_pubsub_topic.dead.id && length(google_pubsub_subscription.dead.push_config) == 0 && google_pubsub_subscription.ledger_dead.topic == google_pubsub_topic.ledger_dead.id
    error_message = "Nobody keeps the dead letters."
  }
  assert {
    condition = alltrue([
      for subscription in concat([google_pubsub_subscription.push, google_pubsub_subscription.dead, google_pubsub_subscription.ledger_dead], values(google_pubsub_subscription.ledger)) :
      subscription.expiration_policy[0].ttl == ""
    ])
    error_message = "A subscription would expire after 31 idle days."
  }

  # The ledger.
  assert {
    condition     = google_pubsub_subscription.ledger["outcomes"].bigquery_config[0].use_table_schema && google_pubsub_subscription.ledger["outcomes"].bigquery_config[0].drop_unknown_fields && !google_pubsub_subscription.ledger["jobs"].bigquery_config[0].use_table_schema && !google_pubsub_subscription.ledger["dead_letters"].bigquery_config[0].use_table_schema
    error_message = "Outcomes have columns; jobs and dead letters are kept as they are."
  }
  assert {
    condition     = alltrue([for table, subscription in google_pubsub_subscription.ledger : subscription.bigquery_config[0].write_metadata && subscription.bigquery_config[0].table == "my-project.scrapeq.${table}"])
    error_message = "A ledger subscription writes elsewhere, or without its metadata."
  }
  assert {
    condition     = keys(google_bigquery_table_iam_member.agent_writes_ledger) == keys(google_pubsub_subscription.ledger) && google_bigquery_dataset_iam_member.agent_reads_ledger_metadata.role == "roles/bigquery.metadataViewer"
    error_message = "Pub/Sub's agent may not write to every table."
  }
  assert {
    condition     = length(google_bigquery_table.view_over_views) > 0 && alltrue([for over in google_bigquery_table.view_over_views : anytrue([for view in keys(google_bigquery_table.view) : strcontains(over.view[0].query, "`my-project.scrapeq.${view}`")])])
    error_message = "A view over views reads none that is made before it."
  }

  # Nothing is open to everybody, and what runs is what was built.
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && service.invoker_iam_disabled != true])
    error_message = "A service is reached from outside, or by anybody."
  }
  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].containers[0].image == var.images.worker && google_cloud_run_v2_service.dispatcher.template[0].containers[0].image == var.images.dispatcher
    error_message = "Another image runs."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].startup_probe[0].http_get[0].path == "/healthz" && service.template[0].containers[0].liveness_probe[0].http_get[0].path == "/healthz"])
    error_message = "The probes do not ask for /healthz."
  }
  assert {
    condition     = google_pubsub_topic.jobs.effective_labels["environment"] == "staging" && google_cloud_run_v2_service.worker.template[0].labels["app"] == "scrapeq"
    error_message = "Labels are missing."
  }
  assert {
    condition     = google_bigquery_dataset.ledger.delete_contents_on_destroy == false
    error_message = "Outside dev the ledger must not be destroyed with its rows."
  }
}

# Without triggers, a network of our own, ordering and a second publisher, unless they are asked for.
run "options_are_off" {
  command = plan

  assert {
    condition     = length(google_cloudbuild_trigger.roll_out) + length(google_cloudbuild_trigger.check) + length(google_compute_network.egress) + length(google_pubsub_topic_iam_member.worker_publishes_jobs) + length(google_pubsub_topic_iam_member.worker_publishes_dead) + length(google_monitoring_alert_policy.silence) == 0
    error_message = "An option is on that nobody asked for."
  }
  assert {
    condition     = google_pubsub_subscription.push.enable_message_ordering == false
    error_message = "Jobs are ordered by default."
  }
}
