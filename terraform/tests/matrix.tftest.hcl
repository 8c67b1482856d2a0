# Plans of combinations of options. The provider is mocked, so that values which are unknown before an apply are known here.

mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project_id  = "my-project"
  contact_url = "bot@example.com"
}

run "placeholder_before_the_first_image" {
  command = plan

  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].image == "us-docker.pkg.dev/cloudrun/container/hello"])
    error_message = "Without images, a service must run the placeholder."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].startup_probe[0].tcp_socket[0].port == 8080 && length(service.template[0].containers[0].liveness_probe) == 0])
    error_message = "The placeholder has no /healthz, so it needs a TCP probe and no liveness probe."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].push_endpoint == "https://scrapeq-worker-123456789012.europe-west1.run.app"
    error_message = "The push endpoint is not Cloud Run's deterministic URL of the worker."
  }
}

run "no_schedules" {
  command = plan

  variables {
    schedules = {}
  }

  assert {
    condition     = length(google_cloud_scheduler_job.crawl) == 0 && length(google_monitoring_alert_policy.missed_schedule) == 0
    error_message = "Without schedules, there must be no job of Cloud Scheduler and no alert on missed schedules."
  }
}

run "schedule_with_a_missing_crawl_file_is_rejected" {
  command = plan

  variables {
    schedules = { missing = { cron = "0 6 * * *" } }
  }

  expect_failures = [google_cloud_scheduler_job.crawl["missing"]]
}

run "crawl_named_differently_from_its_file_is_rejected" {
  command = plan

  variables {
    crawls_directory = "tests/crawls"
    schedules        = { misnamed = { cron = "0 6 * * *" } }
  }

  expect_failures = [google_cloud_scheduler_job.crawl["misnamed"]]
}

run "ack_policy_success" {
  command = plan

  variables {
    max_delivery_attempts = 7
    retry_backoff         = { minimum = 5, maximum = 60 }
  }

  assert {
    condition     = google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts == 7 && local.worker_environment["MAX_ATTEMPTS"] == "7"
    error_message = "With ack_policy = success, Pub/Sub must count the attempts."
  }
  assert {
    condition     = google_pubsub_subscription.push.retry_policy[0].minimum_backoff == "5s" && local.worker_environment["RETRY_MINIMUM_BACKOFF_SECONDS"] == "5" && local.worker_environment["RETRY_MAXIMUM_BACKOFF_SECONDS"] == "60"
    error_message = "The retry policy is not that of retry_backoff."
  }
}

run "ack_policy_settled" {
  command = plan

  variables {
    ack_policy            = "settled"
    max_delivery_attempts = 7
  }

  assert {
    condition     = google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts == 100 && local.worker_environment["MAX_ATTEMPTS"] == "7"
    error_message = "With ack_policy = settled, the worker must count the attempts, and Pub/Sub must allow 100 deliveries."
  }
  assert {
    condition     = length(google_pubsub_topic_iam_member.worker_publishes_dead) == 1 && local.worker_environment["ACK_POLICY"] == "settled"
    error_message = "With ack_policy = settled, the worker must be told so, and must be permitted to publish dead letters."
  }
}

run "build_triggers_in_prod" {
  command = plan

  variables {
    environment = "prod"
    github      = { connection = "github", repository = "scrapeq", deployer = "deployer@my-project.iam.gserviceaccount.com" }
  }

  assert {
    condition     = google_cloudbuild_trigger.roll_out[0].repository_event_config[0].repository == "projects/my-project/locations/europe-west1/connections/github/repositories/scrapeq"
    error_message = "The trigger belongs to another repository."
  }
  assert {
    condition     = google_cloudbuild_trigger.roll_out[0].approval_config[0].approval_required && !google_cloudbuild_trigger.check[0].approval_config[0].approval_required
    error_message = "In prod, a roll-out must wait for approval, and a check must not."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.builds_write_logs)) == toset(["build", "check"]) && length(google_service_account_iam_member.build_impersonates_deployer) == 1
    error_message = "Both build accounts must write logs, and only the account of roll-outs must impersonate the deployer."
  }
}

run "static_egress_addresses" {
  command = plan

  variables {
    vpc = { addresses = 2 }
  }

  assert {
    condition     = length(google_compute_address.egress) == 2 && google_compute_router_nat.egress[0].nat_ip_allocate_option == "MANUAL_ONLY"
    error_message = "The NAT does not have two static addresses."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].vpc_access[0].egress == "ALL_TRAFFIC"])
    error_message = "Not all traffic of a service leaves through the network."
  }
  assert {
    condition     = contains(keys(google_project_service.this), "compute.googleapis.com")
    error_message = "The API of Compute Engine is not enabled, which a network needs."
  }
}

run "ack_deadline_of_60_seconds" {
  command = plan

  variables {
    ack_deadline_seconds = 60
    worker_concurrency   = 75
    worker_max_instances = 40
  }

  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].timeout == "30s" && local.worker_environment["PAGE_BUDGET_SECONDS"] == "10" && local.worker_environment["WAIT_BUDGET_SECONDS"] == "10"
    error_message = "An ack deadline of 60 s must leave 30 s for Cloud Run's queue, and half of the rest, without the reserve, for a page."
  }
  assert {
    condition     = local.worker_environment["PAGE_CONCURRENCY"] == "75"
    error_message = "An instance must not be told to process more pages than it takes pushes."
  }
}

run "page_budget_of_120_seconds" {
  command = plan

  variables {
    page_budget_seconds = 120
  }

  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].timeout == "570s" && local.worker_environment["PAGE_BUDGET_SECONDS"] == "120" && local.worker_environment["WAIT_BUDGET_SECONDS"] == "440"
    error_message = "page_budget_seconds must shorten the wait budget."
  }
}

run "too_few_slots_are_planned_with_a_warning" {
  command = plan

  variables {
    worker_concurrency = 80
  }

  assert {
    condition     = output.capacity.push_slots == 800 && output.capacity.push_floor == 3000 && strcontains(output.capacity.verdict, "dead-lettered after 2430 s")
    error_message = "The output capacity does not say what the check says."
  }

  expect_failures = [check.push_slots]
}

run "alert_channels_and_thresholds" {
  command = plan

  variables {
    alert_emails          = ["ops@example.com"]
    notification_channels = ["projects/my-project/notificationChannels/1"]
    alert_thresholds      = { dispatch_silence_seconds = 84600 }
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.threshold : length(policy.notification_channels) == 2]) && google_monitoring_alert_policy.silence[0].conditions[0].condition_absent[0].duration == "84600s"
    error_message = "An alert does not notify both channels, or the alert on silence has another duration."
  }
}

run "second_stack_in_one_project" {
  command = plan

  variables {
    name_prefix    = "shop"
    topic_prefix   = "shop"
    ledger_dataset = "shop"
  }

  assert {
    condition     = google_pubsub_topic.jobs.name == "shop-jobs" && google_cloud_run_v2_service.worker.name == "shop-worker" && google_service_account.push.account_id == "shop-push" && google_bigquery_dataset.ledger.dataset_id == "shop" && google_artifact_registry_repository.images.repository_id == "shop" && google_cloud_scheduler_job.crawl["canary"].name == "shop-canary"
    error_message = "A name does not begin with its prefix, so it would conflict with that of the first stack."
  }
}

run "extra_settings_reach_the_services" {
  command = plan

  variables {
    extra_settings = { worker = { FETCH_MAX_BYTES = "1048576" }, dispatcher = { SITEMAP_MAX_BYTES = "1048576" } }
  }

  assert {
    condition     = local.worker_environment["FETCH_MAX_BYTES"] == "1048576" && local.dispatcher_environment["SITEMAP_MAX_BYTES"] == "1048576"
    error_message = "A service does not get its extra settings."
  }
}

run "budget" {
  command = plan

  variables {
    budget       = { billing_account = "012345-6789AB-CDEF01", amount = 100 }
    alert_emails = ["ops@example.com"]
  }

  assert {
    condition     = google_billing_budget.this[0].amount[0].specified_amount[0].units == "100" && google_billing_budget.this[0].budget_filter[0].projects == toset(["projects/123456789012"]) && length(google_billing_budget.this[0].all_updates_rule[0].monitoring_notification_channels) == 1 && [for rule in google_billing_budget.this[0].threshold_rules : rule.threshold_percent] == [0.5, 0.9, 1]
    error_message = "The budget has another amount or project, or notifies nobody."
  }
}
