# For each validation in variables-ledger.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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
