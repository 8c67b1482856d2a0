locals {
  labels = merge(var.labels, { app = var.name_prefix, environment = var.environment })

  # What the topics are called: contract/topology.py has the same names, a test compares them.
  jobs_topic     = "${var.topic_prefix}-jobs"
  outcomes_topic = "${var.topic_prefix}-outcomes"
  dead_topic     = "${var.topic_prefix}-jobs-dead"

  dispatcher_name = "${var.name_prefix}-dispatcher"
  worker_name     = "${var.name_prefix}-worker"

  # A service cannot name its own `uri` in its environment; this URL is known before it exists, and is what tokens are for:
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  dispatcher_url = "https://${local.dispatcher_name}-${data.google_project.this.number}.${var.region}.run.app"
  worker_url     = "https://${local.worker_name}-${data.google_project.this.number}.${var.region}.run.app"

  # The deadline chain: page budget + 5 <= request timeout <= ack deadline. worker/settings.py refuses any other.
  worker_timeout_seconds = coalesce(var.worker_timeout_seconds, var.ack_deadline_seconds - 5)
  page_budget_seconds    = coalesce(var.page_budget_seconds, local.worker_timeout_seconds - 15)

  # Pub/Sub kept at 7 days of jobs: the view run_accounting counts a job that is older than that as missing.
  jobs_retention = "604800s"

  # What sites see: a product, and somebody to write to.
  user_agent = "scrapeq/0.1 (+${var.contact_url})"

  # https://cloud.google.com/run/docs/deploying#sample-container
  placeholder = "us-docker.pkg.dev/cloudrun/container/hello"
  images      = coalesce(var.images, { dispatcher = local.placeholder, worker = local.placeholder })

  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"

  # While one is slower than 1 s, or fails, Pub/Sub holds up to this many pushes open:
  # https://cloud.google.com/pubsub/docs/push#push_backoff
  push_floor = 3000
  push_slots = var.worker_max_instances * var.worker_concurrency
}
