# For each validation in variables-dispatcher.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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

run "urls_file_buckets__an_address" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    urls_file_buckets = ["gs://my-urls"]
  }

  expect_failures = [var.urls_file_buckets]
}

run "schedules__minute_60" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    schedules = { canary = { cron = "60 6 * * *" } }
  }

  expect_failures = [var.schedules]
}

run "schedules__day_0_in_a_list" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    schedules = { canary = { cron = "0 6 1,0 * *" } }
  }

  expect_failures = [var.schedules]
}
