# For each validation in variables-queue.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
}

run "ack_deadline_seconds__too_short_for_a_page" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ack_deadline_seconds = 59
  }

  expect_failures = [var.ack_deadline_seconds]
}

run "ack_deadline_seconds__above_pubsubs_limit" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ack_deadline_seconds = 601
    alert_thresholds     = { oldest_unacked_seconds = 3600 }
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

run "operators__address_without_its_kind" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    operators = ["ops@example.com"]
  }

  expect_failures = [var.operators]
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
