resource "google_pubsub_topic" "jobs" {
  name                       = local.jobs_topic
  message_retention_duration = local.jobs_retention # so that a subscription can seek to a time before a bad roll-out
  deletion_policy            = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}

locals {
  persistence_regions = coalescelist(var.persistence_regions, [var.region])
}

resource "google_pubsub_topic_iam_member" "dispatcher_publishes_jobs" {
  topic  = google_pubsub_topic.jobs.id
  role   = "roles/pubsub.publisher"
  member = google_service_account.dispatcher.member
}

# The worker publishes the jobs of further pages of a listing and, with ack_policy = "settled", jobs that are tried again.
resource "google_pubsub_topic_iam_member" "worker_publishes_jobs" {
  topic  = google_pubsub_topic.jobs.id
  role   = "roles/pubsub.publisher"
  member = google_service_account.worker.member
}

# The worker reads the labels of the topic, by which an operator cancels and pauses.
resource "google_pubsub_topic_iam_member" "worker_reads_labels" {
  topic  = google_pubsub_topic.jobs.id
  role   = "roles/pubsub.viewer"
  member = google_service_account.worker.member
}

# Pub/Sub pushes to the worker as this account, which has no other permission.
resource "google_service_account" "push" {
  account_id   = "${var.name_prefix}-push"
  display_name = "Pub/Sub, when it pushes jobs to the worker"

  depends_on = [google_project_service.this]
}

# Only projects whose service agent was created before April 2021 need this grant: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
resource "google_service_account_iam_member" "agent_signs_as_push" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

resource "google_pubsub_subscription" "push" {
  name                       = "${local.jobs_topic}-push"
  topic                      = google_pubsub_topic.jobs.id
  ack_deadline_seconds       = var.ack_deadline_seconds # also the time limit of one push
  message_retention_duration = local.jobs_retention
  enable_message_ordering    = true # jobs of a crawl that limits a host have an ordering key; all others are not ordered
  deletion_policy            = local.queue_deletion_policy

  expiration_policy {
    ttl = "" # never expire; by default, a subscription that is idle for 31 days is deleted
  }

  # Without a retry policy, a failing job uses up its attempts within seconds.
  retry_policy {
    minimum_backoff = "${var.retry_backoff.minimum}s"
    maximum_backoff = "${var.retry_backoff.maximum}s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = local.pubsub_attempts
  }

  push_config {
    push_endpoint = local.worker_url

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.worker_url
    }
  }

  # The grants must exist before the first push and the first dead letter.
  depends_on = [
    google_cloud_run_v2_service.worker,
    google_cloud_run_v2_service_iam_member.push_invokes_worker,
    google_pubsub_topic_iam_member.agent_publishes_dead,
    google_service_account_iam_member.agent_signs_as_push,
  ]
}

# Without this grant and the one to publish dead letters, Pub/Sub silently retries a failing job forever.
resource "google_pubsub_subscription_iam_member" "agent_takes_from_push" {
  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.push.id] # a replaced subscription has lost the grant
  }
}
