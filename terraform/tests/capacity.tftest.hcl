# For each check in capacity.tf, this file has runs at which it warns, and runs with nearly the same values at which it does not.
# tests/terraform/test_validations.py changes each check in turn, so that it never warns, and checks that a run then fails.

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

run "push_slots__fewer_than_the_push_window" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 299
  }

  expect_failures = [check.push_slots]
}

run "push_slots__of_the_old_defaults" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency      = 80
    worker_page_concurrency = 80
    max_delivery_attempts   = 5
  }

  expect_failures = [check.push_slots]
}

run "push_slots__few_but_enough_deliveries_for_the_backlog" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 80
    alert_thresholds   = { backlog_jobs = 48600 }
  }
}

run "push_slots__few_and_a_backlog_longer_than_the_deliveries" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 80
    alert_thresholds   = { backlog_jobs = 48700 }
  }

  expect_failures = [check.push_slots]
}

run "push_slots__few_but_100_deliveries_with_settled" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 80
    ack_policy         = "settled"
  }
}

run "push_slots__without_backoff" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency = 80
    ack_policy         = "settled"
    retry_backoff      = { minimum = 0, maximum = 0 }
  }

  expect_failures = [check.push_slots]
}

run "page_slots__enough_for_1000_pushes" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency      = 1000
    worker_page_concurrency = 72
  }
}

run "page_slots__too_few_for_1000_pushes" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_concurrency      = 1000
    worker_page_concurrency = 71
  }

  expect_failures = [check.page_slots]
}

run "page_slots__too_few_for_a_long_page_budget" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds = 200
  }

  expect_failures = [check.page_slots]
}

run "page_slots__one_for_each_push" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds  = 560
    worker_max_instances = 38
    worker_concurrency   = 80
  }
}

run "subnet__enough_for_63_instances" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc                      = {}
    worker_max_instances     = 60
    dispatcher_max_instances = 3
  }
}

run "subnet__too_small_for_64_instances" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc                      = {}
    worker_max_instances     = 61
    dispatcher_max_instances = 3
  }

  expect_failures = [check.subnet]
}
