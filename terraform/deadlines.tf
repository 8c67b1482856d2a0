# The deadline chain: wait budget + page budget + reserve <= request timeout, and request timeout + queue <= ack deadline.
# worker/settings.py rejects any other order.

locals {
  # Cloud Run may queue a push for this many seconds before the container receives it, and nothing tells the container how long.
  # The documented limit is 10 s or 3.5 times the start-up time of an instance, whichever is longer. The worker starts within
  # 8.5 s: https://cloud.google.com/run/docs/about-instance-autoscaling
  queue_seconds = 30

  # Reserved at the end of a request: 5 s for publishing (PUBLISH_SECONDS in worker/settings.py) and 5 s for all other work.
  reserve_seconds = 10

  worker_timeout_seconds = var.ack_deadline_seconds - local.queue_seconds
  # A page may take half of the time, but not more than 40 s. The rest is for waiting.
  page_budget_seconds = coalesce(var.page_budget_seconds, min(40, floor((local.worker_timeout_seconds - local.reserve_seconds) / 2)))
  wait_budget_seconds = local.worker_timeout_seconds - local.page_budget_seconds - local.reserve_seconds
}
