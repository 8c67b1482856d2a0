# For each validation in variables-worker.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
}

run "page_budget_seconds__zero" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds = 0
  }

  expect_failures = [var.page_budget_seconds]
}

run "page_budget_seconds__too_close_to_the_ack_deadline" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    page_budget_seconds  = 561
    worker_concurrency   = 80
    worker_max_instances = 40
    retry_backoff        = { minimum = 600 }
    ack_policy           = "settled"
  }

  expect_failures = [var.page_budget_seconds]
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

run "worker_page_concurrency__zero" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_page_concurrency = 0
  }

  expect_failures = [var.worker_page_concurrency]
}

run "worker_memory__in_gigabytes" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_memory = "1G"
  }

  expect_failures = [var.worker_memory]
}

run "worker_memory__too_much_for_its_cpus" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    worker_memory = "8Gi"
  }

  expect_failures = [var.worker_memory]
}
