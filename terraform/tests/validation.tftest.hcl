# For each validation of a variable, this file has a run whose value the validation rejects. tests/terraform/test_validations.py
# removes each validation in turn and checks that such a run then fails. The module tests/inputs contains only the variables, so
# that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
}

run "defaults_are_accepted" {
  command = plan

  module {
    source = "./tests/inputs"
  }
}

run "ack_deadline_seconds__below_pubsubs_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ack_deadline_seconds = 9
  }

  expect_failures = [var.ack_deadline_seconds]
}

run "ack_policy__unknown" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ack_policy = "always"
  }

  expect_failures = [var.ack_policy]
}

run "alert_emails__not_an_address" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_emails = ["ops at example.com"]
  }

  expect_failures = [var.alert_emails]
}

run "alert_thresholds__oldest_unacked_below_ack_deadline" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_thresholds = { oldest_unacked_seconds = 30 }
  }

  expect_failures = [var.alert_thresholds]
}

run "alert_thresholds__percentage_instead_of_ratio" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_thresholds = { push_failure_ratio = 50 }
  }

  expect_failures = [var.alert_thresholds]
}

run "alert_thresholds__silence_longer_than_a_day" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_thresholds = { dispatch_silence_seconds = 90000 }
  }

  expect_failures = [var.alert_thresholds]
}

run "contact_url__not_a_contact" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    contact_url = "not a contact"
  }

  expect_failures = [var.contact_url]
}

run "crawls_directory__empty" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    crawls_directory = " "
  }

  expect_failures = [var.crawls_directory]
}

run "dead_letter_retention__not_above_that_of_jobs" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    dead_letter_retention = "604800s"
  }

  expect_failures = [var.dead_letter_retention]
}

run "dispatcher_max_instances__zero" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    dispatcher_max_instances = 0
  }

  expect_failures = [var.dispatcher_max_instances]
}

run "dispatcher_timeout_seconds__above_cloud_schedulers_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    dispatcher_timeout_seconds = 1801
  }

  expect_failures = [var.dispatcher_timeout_seconds]
}

run "environment__unknown" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    environment = "production"
  }

  expect_failures = [var.environment]
}

run "extra_settings__unknown_to_the_dispatcher" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    extra_settings = { dispatcher = { SITEMAP_BYTES = "1" } }
  }

  expect_failures = [var.extra_settings]
}

run "extra_settings__set_by_another_variable" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    extra_settings = { worker = { PAGE_BUDGET_SECONDS = "600" } }
  }

  expect_failures = [var.extra_settings]
}

run "github__url_instead_of_repository_name" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    github = { connection = "github", repository = "https://github.com/a/b", deployer = "deployer@my-project.iam.gserviceaccount.com" }
  }

  expect_failures = [var.github]
}

run "github__branch_with_a_blank" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    github = { connection = "github", repository = "scrapeq", branch = "a b", deployer = "deployer@my-project.iam.gserviceaccount.com" }
  }

  expect_failures = [var.github]
}

run "github__deployer_that_is_no_service_account" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    github = { connection = "github", repository = "scrapeq", deployer = "me@example.com" }
  }

  expect_failures = [var.github]
}

run "images__tag_latest" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    images = { dispatcher = "r/dispatcher:latest", worker = "r/worker:1" }
  }

  expect_failures = [var.images]
}

run "labels__upper_case" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    labels = { Team = "search" }
  }

  expect_failures = [var.labels]
}

run "labels__reserved" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    labels = { app = "mine" }
  }

  expect_failures = [var.labels]
}

run "ledger_dataset__with_a_hyphen" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ledger_dataset = "scrapeq-ledger"
  }

  expect_failures = [var.ledger_dataset]
}

run "ledger_expiration_days__below_dead_letter_retention" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ledger_expiration_days = 30
  }

  expect_failures = [var.ledger_expiration_days]
}

run "ledger_location__unknown" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ledger_location = "Europe"
  }

  expect_failures = [var.ledger_location]
}

run "max_delivery_attempts__below_pubsubs_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    max_delivery_attempts = 4
  }

  expect_failures = [var.max_delivery_attempts]
}

run "name_prefix__too_long_for_a_service_account" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    name_prefix = "a-name-that-is-too-long"
  }

  expect_failures = [var.name_prefix]
}

run "notification_channels__number_only" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    notification_channels = ["123"]
  }

  expect_failures = [var.notification_channels]
}

run "page_budget_seconds__derived_below_one" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds  = null
    ack_deadline_seconds = 20
  }

  expect_failures = [var.page_budget_seconds]
}

run "page_budget_seconds__too_close_to_worker_timeout" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds = 51
  }

  expect_failures = [var.page_budget_seconds]
}

run "persistence_regions__zone_instead_of_region" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    persistence_regions = ["europe-west1-b"]
  }

  expect_failures = [var.persistence_regions]
}

run "politeness__unknown" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    politeness = "none"
  }

  expect_failures = [var.politeness]
}

run "politeness__ordered_without_ack_policy_settled" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    politeness = "ordered"
  }

  expect_failures = [var.politeness]
}

run "project_id__project_number" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    project_id = "123456789"
  }

  expect_failures = [var.project_id]
}

run "region__zone_instead_of_region" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "retry_backoff__above_pubsubs_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    retry_backoff = { maximum = 601 }
  }

  expect_failures = [var.retry_backoff]
}

run "retry_backoff__minimum_above_maximum" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    retry_backoff = { minimum = 60, maximum = 10 }
  }

  expect_failures = [var.retry_backoff]
}

run "runbook_url__with_a_fragment" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    runbook_url = "https://example.com/runbook#backlog"
  }

  expect_failures = [var.runbook_url]
}

run "schedules__name_with_a_blank" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    schedules = { "my crawl" = { cron = "0 6 * * *" } }
  }

  expect_failures = [var.schedules]
}

run "schedules__cron_with_six_fields" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    schedules = { canary = { cron = "0 0 6 * * *" } }
  }

  expect_failures = [var.schedules]
}

run "schedules__empty_time_zone" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    schedules = { canary = { cron = "0 6 * * *", time_zone = "" } }
  }

  expect_failures = [var.schedules]
}

run "topic_prefix__reserved_by_google" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    topic_prefix = "goog-jobs"
  }

  expect_failures = [var.topic_prefix]
}

run "vpc__range_too_small" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc = { subnet_range = "10.8.0.0/28" }
  }

  expect_failures = [var.vpc]
}

run "vpc__without_addresses" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc = { addresses = 0 }
  }

  expect_failures = [var.vpc]
}

run "worker_concurrency__above_cloud_runs_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 1001
  }

  expect_failures = [var.worker_concurrency]
}

run "worker_cpu__not_1_2_4_or_8" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_cpu = 3
  }

  expect_failures = [var.worker_cpu]
}

run "worker_max_instances__zero" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_max_instances = 0
  }

  expect_failures = [var.worker_max_instances]
}

run "worker_memory__below_512_mi" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_memory = "256Mi"
  }

  expect_failures = [var.worker_memory]
}

run "worker_memory__too_little_for_its_cpus" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_memory = "1Gi"
    worker_cpu    = 4
  }

  expect_failures = [var.worker_memory]
}

run "worker_min_instances__negative" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_min_instances = -1
  }

  expect_failures = [var.worker_min_instances]
}

run "worker_min_instances__above_worker_max_instances" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_min_instances = 11
  }

  expect_failures = [var.worker_min_instances]
}

run "worker_timeout_seconds__too_short" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_timeout_seconds = 5
    page_budget_seconds    = 1
    ack_deadline_seconds   = 60
  }

  expect_failures = [var.worker_timeout_seconds]
}

run "worker_timeout_seconds__above_the_ack_deadline" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_timeout_seconds = 61
  }

  expect_failures = [var.worker_timeout_seconds]
}
