# Combinations of options, planned. Mocked, so that what is only known after an apply is known here.

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

run "before_any_image_exists" {
  command = plan

  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].image == "us-docker.pkg.dev/cloudrun/container/hello"])
    error_message = "Without images there is no placeholder."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].containers[0].startup_probe[0].tcp_socket[0].port == 8080 && length(service.template[0].containers[0].liveness_probe) == 0])
    error_message = "The placeholder would fail our probes."
  }
  assert {
    condition     = google_pubsub_subscription.push.push_config[0].push_endpoint == "https://scrapeq-worker-123456789012.europe-west1.run.app"
    error_message = "The worker's URL is not the deterministic one."
  }
}

run "no_schedules" {
  command = plan

  variables {
    schedules = {}
  }

  assert {
    condition     = length(google_cloud_scheduler_job.crawl) == 0 && length(google_monitoring_alert_policy.missed_schedule) == 0
    error_message = "Nothing is scheduled, so nothing can be missed."
  }
}

run "a_crawl_that_is_missing" {
  command = plan

  variables {
    schedules = { nowhere = { cron = "0 6 * * *" } }
  }

  expect_failures = [google_cloud_scheduler_job.crawl["nowhere"]]
}

run "a_crawl_of_another_name" {
  command = plan

  variables {
    crawls_directory = "tests/crawls"
    schedules        = { misnamed = { cron = "0 6 * * *" } }
  }

  expect_failures = [google_cloud_scheduler_job.crawl["misnamed"]]
}

run "settled_and_ordered" {
  command = plan

  variables {
    ack_policy = "settled"
    politeness = "ordered"
  }

  assert {
    condition     = google_pubsub_subscription.push.enable_message_ordering
    error_message = "Jobs of a host are not ordered."
  }
  assert {
    condition     = length(google_pubsub_topic_iam_member.worker_publishes_jobs) == 1 && length(google_pubsub_topic_iam_member.worker_publishes_dead) == 1
    error_message = "A worker that settles must publish dead letters, and jobs that it puts off."
  }
  assert {
    condition     = local.worker_environment["ACK_POLICY"] == "settled" && local.dispatcher_environment["POLITENESS"] == "ordered"
    error_message = "The services do not know of it."
  }
}

run "triggers_on_in_prod" {
  command = plan

  variables {
    environment = "prod"
    github      = { connection = "github", repository = "scrapeq", deployer = "deployer@my-project.iam.gserviceaccount.com" }
  }

  assert {
    condition     = google_cloudbuild_trigger.roll_out[0].repository_event_config[0].repository == "projects/my-project/locations/europe-west1/connections/github/repositories/scrapeq"
    error_message = "The trigger listens to another repository."
  }
  assert {
    condition     = google_cloudbuild_trigger.roll_out[0].approval_config[0].approval_required && !google_cloudbuild_trigger.check[0].approval_config[0].approval_required
    error_message = "In prod a roll-out waits for approval, a check does not."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.builds_write_logs)) == toset(["build", "check"]) && length(google_service_account_iam_member.build_impersonates_deployer) == 1
    error_message = "Only the account of the branch impersonates the deployer; both write logs."
  }
}

run "fixed_addresses" {
  command = plan

  variables {
    vpc = { addresses = 2 }
  }

  assert {
    condition     = length(google_compute_address.egress) == 2 && google_compute_router_nat.egress[0].nat_ip_allocate_option == "MANUAL_ONLY"
    error_message = "There are not two fixed addresses."
  }
  assert {
    condition     = alltrue([for service in [google_cloud_run_v2_service.dispatcher, google_cloud_run_v2_service.worker] : service.template[0].vpc_access[0].egress == "ALL_TRAFFIC"])
    error_message = "A service's traffic does not leave through the NAT."
  }
  assert {
    condition     = contains(keys(google_project_service.this), "compute.googleapis.com")
    error_message = "A network needs Compute Engine's API."
  }
}

run "deadlines_of_ten_minutes" {
  command = plan

  variables {
    ack_deadline_seconds = 600
  }

  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].timeout == "595s" && local.worker_environment["PAGE_BUDGET_SECONDS"] == "580"
    error_message = "The chain does not follow its one variable."
  }
}

run "deadlines_of_ten_seconds" {
  command = plan

  variables {
    ack_deadline_seconds   = 10
    worker_timeout_seconds = 10
    page_budget_seconds    = 5
  }

  assert {
    condition     = local.worker_environment["REQUEST_TIMEOUT_SECONDS"] == "10" && local.worker_environment["PAGE_BUDGET_SECONDS"] == "5"
    error_message = "The chain's parts cannot be set."
  }
}

run "somebody_is_told" {
  command = plan

  variables {
    alert_emails          = ["ops@example.com"]
    notification_channels = ["projects/my-project/notificationChannels/1"]
    alert_thresholds      = { dispatch_silence_seconds = 84600 }
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.threshold : length(policy.notification_channels) == 2]) && google_monitoring_alert_policy.silence[0].conditions[0].condition_absent[0].duration == "84600s"
    error_message = "Alerts do not reach everybody."
  }
}

run "a_second_stack_in_one_project" {
  command = plan

  variables {
    name_prefix    = "shop"
    topic_prefix   = "shop"
    ledger_dataset = "shop"
  }

  assert {
    condition     = google_pubsub_topic.jobs.name == "shop-jobs" && google_cloud_run_v2_service.worker.name == "shop-worker" && google_service_account.push.account_id == "shop-push" && google_bigquery_dataset.ledger.dataset_id == "shop" && google_artifact_registry_repository.images.repository_id == "shop" && google_cloud_scheduler_job.crawl["canary"].name == "shop-canary"
    error_message = "A name would be taken twice."
  }
}

run "extra_settings_reach_the_services" {
  command = plan

  variables {
    extra_settings = { worker = { FETCH_MAX_BYTES = "1048576" }, dispatcher = { SITEMAP_MAX_BYTES = "1048576" } }
  }

  assert {
    condition     = local.worker_environment["FETCH_MAX_BYTES"] == "1048576" && local.dispatcher_environment["SITEMAP_MAX_BYTES"] == "1048576"
    error_message = "A setting does not arrive."
  }
}
