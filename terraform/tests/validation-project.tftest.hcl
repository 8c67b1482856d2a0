# For each validation in variables-project.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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

run "labels__reserved_prefix" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    labels = { goog-team = "search" }
  }

  expect_failures = [var.labels]
}

run "labels__too_many" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    labels = { for number in range(62) : "label-${number}" => "value" }
  }

  expect_failures = [var.labels]
}
