locals {
  labels = merge(var.labels, { app = var.name_prefix, environment = var.environment })

  # Names of the topics; contract/topology.py has the same names, and a test compares them.
  jobs_topic        = "${var.topic_prefix}-jobs"
  outcomes_topic    = "${var.topic_prefix}-outcomes"
  dead_letter_topic = "${var.topic_prefix}-jobs-dead"
  dispatch_topic    = "${var.topic_prefix}-dispatch"
  operator_topic    = "${var.topic_prefix}-operator"

  dispatcher_name = "${var.name_prefix}-dispatcher"
  worker_name     = "${var.name_prefix}-worker"

  # A service cannot refer to its own `uri` in its environment. This deterministic URL is known before the service
  # exists; it is the audience of the OIDC tokens:
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  dispatcher_url = "https://${local.dispatcher_name}-${data.google_project.this.number}.${var.region}.run.app"
  worker_url     = "https://${local.worker_name}-${data.google_project.this.number}.${var.region}.run.app"

  # Jobs are kept for 7 days: the view run_accounting counts an unfinished job that is older as missing.
  jobs_retention = "604800s"

  # The User-Agent that sites see: a product name and a contact.
  user_agent = "scrapeq/0.1 (+${var.contact_url})"

  # Without a network of its own, an instance can connect immediately.
  startup_hosts = var.vpc == null ? "" : join(",", var.vpc.startup_hosts)

  # https://cloud.google.com/run/docs/deploying#sample-container
  placeholder = "us-docker.pkg.dev/cloudrun/container/hello"
  images = {
    dispatcher = try(var.images.dispatcher, local.placeholder)
    worker     = try(var.images.worker, local.placeholder)
    console    = try(coalesce(var.images.console), local.placeholder)
  }

  # The variable LEDGER of the command scrapeq.
  ledger_address = "bigquery://${var.project_id}/${google_bigquery_dataset.ledger.dataset_id}${var.topic_prefix == "scrape" ? "" : "?topics=${var.topic_prefix}"}"

  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
