# For each validation in variables-console.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
}

run "console__address_without_its_kind" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    console = { members = ["ops@example.com"] }
  }

  expect_failures = [var.console]
}

run "console__acts_without_the_proxy" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    console = { members = ["group:ops@example.com"], acts = true }
  }

  expect_failures = [var.console]
}
