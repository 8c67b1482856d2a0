# Compares the capacity of the workers with what Pub/Sub may push. The checks warn at plan: nothing is lost immediately, but a long
# backlog of slow pages could turn jobs into dead letters that no site was asked for.

locals {
  # Lower limit of the push window: even while pushes take longer than 1 s or fail, Pub/Sub keeps up to this many open:
  # https://cloud.google.com/pubsub/docs/push#push_backoff
  min_push_window = 3000

  # A push slot takes one push, which may be waiting; a page slot processes one page.
  push_slots       = var.worker_max_instances * var.worker_concurrency
  page_concurrency = min(var.worker_concurrency, var.worker_page_concurrency)
  page_slots       = var.worker_max_instances * local.page_concurrency

  # Deliveries after which Pub/Sub dead-letters a job. With settled, the worker counts the attempts, and Pub/Sub's own limit has its
  # maximum.
  pubsub_attempts = var.ack_policy == "settled" ? 100 : var.max_delivery_attempts

  # A job whose pushes are all refused is dead-lettered after the backoffs between its deliveries.
  refused_seconds = floor(sum([
    for attempt in range(local.pubsub_attempts - 1) : min(var.retry_backoff.maximum, var.retry_backoff.minimum * pow(2, attempt))
  ]))
  # Time until the largest expected backlog is done, if each page takes the whole page budget.
  backlog_seconds = ceil(var.alert_thresholds.backlog_jobs * local.page_budget_seconds / local.page_slots)

  # The last of the pushes that one instance takes waits for a page slot while those before it are processed.
  page_rounds          = ceil(var.worker_concurrency / local.page_concurrency)
  page_slot_seconds    = (local.page_rounds - 1) * local.page_budget_seconds
  min_page_concurrency = ceil(var.worker_concurrency / (1 + floor(local.wait_budget_seconds / local.page_budget_seconds)))

  # A number of instances, and a concurrency, with which every push has a slot.
  enough_instances   = max(var.worker_max_instances, 3)
  enough_concurrency = ceil(local.min_push_window / local.enough_instances)

  # With a network, an instance takes two addresses of the subnet, and while a revision replaces another one, both have instances:
  # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc#scale_up_considerations. Google reserves four addresses of a subnet.
  needed_addresses  = 4 * (var.worker_max_instances + var.dispatcher_max_instances)
  largest_prefix    = 32 - ceil(log(local.needed_addresses + 4, 2))
  subnet_prefix     = try(tonumber(split("/", var.vpc.subnet_range)[1]), 0)
  subnet_is_enough  = var.vpc == null || pow(2, 32 - local.subnet_prefix) >= local.needed_addresses + 4
  subnet_range_text = try(var.vpc.subnet_range, "")

  capacity_advice = {
    subnet = join(" ", [
      "vpc.subnet_range (${local.subnet_range_text}) has too few addresses: ${var.worker_max_instances} + ${var.dispatcher_max_instances} instances need ${local.needed_addresses} while a revision replaces another one.",
      "Without an address, Cloud Run starts no instance. Use a range of /${local.largest_prefix} or larger.",
    ])
    push_slots = join(" ", [
      "worker_max_instances × worker_concurrency is ${local.push_slots}, but Pub/Sub keeps up to ${local.min_push_window} pushes open while pages are slow.",
      "Cloud Run refuses the pushes without a slot with 429, and each 429 uses up one of the ${local.pubsub_attempts} deliveries of a job.",
      "A job that is always refused is dead-lettered after ${local.refused_seconds} s, without a request to its site;",
      "a backlog of ${var.alert_thresholds.backlog_jobs} pages (alert_thresholds.backlog_jobs) may take ${local.backlog_seconds} s.",
      "Set worker_max_instances = ${local.enough_instances} and worker_concurrency = ${local.enough_concurrency}, or raise max_delivery_attempts.",
    ])
    page_slots = join(" ", [
      "A worker instance takes ${var.worker_concurrency} pushes and processes ${local.page_concurrency} pages at the same time.",
      "If each page takes the page budget of ${local.page_budget_seconds} s, the last push gets a page slot after ${local.page_slot_seconds} s, but may wait only ${local.wait_budget_seconds} s:",
      var.ack_policy == "settled" ? "the worker then publishes its job again." : "this uses up one of the ${local.pubsub_attempts} deliveries of its job.",
      "Set worker_page_concurrency = ${local.min_page_concurrency} or more, lower worker_concurrency, or raise ack_deadline_seconds.",
    ])
  }
}

check "push_slots" {
  assert {
    condition     = local.push_slots >= local.min_push_window || local.refused_seconds >= local.backlog_seconds
    error_message = local.capacity_advice.push_slots
  }
}

check "page_slots" {
  assert {
    condition     = local.page_slot_seconds <= local.wait_budget_seconds
    error_message = local.capacity_advice.page_slots
  }
}

check "subnet" {
  assert {
    condition     = local.subnet_is_enough
    error_message = local.capacity_advice.subnet
  }
}
