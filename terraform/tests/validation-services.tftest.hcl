# For each validation in variables-services.tf, this file has a run whose value the validation rejects.
# tests/terraform/test_validations.py removes each validation in turn and checks that such a run then fails. The module tests/inputs
# contains only the variables and what is derived from them, so that no provider is started.

variables {
  project_id  = "my-project"
  contact_url = "https://example.com/bot"
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

run "secrets__name_in_small_letters" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    secrets = { shop = { secret = "shop", version = 1, origins = ["shop.example"] } }
  }

  expect_failures = [var.secrets]
}

run "secrets__secret_with_version" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    secrets = { SHOP = { secret = "shop/versions/1", version = 1, origins = ["shop.example"] } }
  }

  expect_failures = [var.secrets]
}

run "secrets__version_zero" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    secrets = { SHOP = { secret = "shop", version = 0, origins = ["shop.example"] } }
  }

  expect_failures = [var.secrets]
}

run "secrets__without_origins" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    secrets = { SHOP = { secret = "shop", version = 1, origins = [] } }
  }

  expect_failures = [var.secrets]
}

run "secrets__origin_with_path" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    secrets = { SHOP = { secret = "shop", version = 1, origins = ["https://shop.example/api"] } }
  }

  expect_failures = [var.secrets]
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

run "vpc__range_that_begins_in_the_middle" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc = { subnet_range = "10.8.0.5/24" }
  }

  expect_failures = [var.vpc]
}

run "vpc__startup_host_without_a_port" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    vpc = { startup_hosts = ["https://example.com"] }
  }

  expect_failures = [var.vpc]
}
