# For each validation in variables-monitoring.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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

run "alert_thresholds__silence_that_is_not_whole_minutes" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_thresholds = { dispatch_silence_seconds = 3601 }
  }

  expect_failures = [var.alert_thresholds]
}

run "notification_channels__more_than_16" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    alert_emails          = [for number in range(16) : "ops${number}@example.com"]
    notification_channels = ["projects/my-project/notificationChannels/1"]
  }

  expect_failures = [var.notification_channels]
}

run "budget__name_instead_of_id" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    budget = { billing_account = "My account", amount = 100 }
  }

  expect_failures = [var.budget]
}

run "budget__without_an_amount" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 0 }
  }

  expect_failures = [var.budget]
}

run "budget__thresholds_in_percent" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 100, thresholds = [50, 100] }
  }

  expect_failures = [var.budget]
}
