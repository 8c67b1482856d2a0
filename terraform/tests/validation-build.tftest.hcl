# For each validation in variables-build.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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

run "approvers__address_without_its_kind" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    approvers = ["ops@example.com"]
  }

  expect_failures = [var.approvers]
}
