resource "google_pubsub_topic" "dead" {
  name                       = local.dead_letter_topic
  message_retention_duration = var.dead_letter_retention
  deletion_policy            = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "agent_publishes_dead" {
  topic  = google_pubsub_topic.dead.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

# With ack_policy = "settled", the worker dead-letters a failed job itself.
resource "google_pubsub_topic_iam_member" "worker_publishes_dead" {
  count = var.ack_policy == "settled" ? 1 : 0

  topic  = google_pubsub_topic.dead.id
  role   = "roles/pubsub.publisher"
  member = google_service_account.worker.member
}

# Keeps dead letters for the operator. During a bulk replay, this is a push subscription to the dispatcher. The replay changes
# it back to a pull subscription at its end, and so does an apply of this configuration.
resource "google_pubsub_subscription" "dead" {
  name                       = "${local.dead_letter_topic}-pull"
  topic                      = google_pubsub_topic.dead.id
  ack_deadline_seconds       = 600 # the time that a replay has for one dead letter
  message_retention_duration = var.dead_letter_retention
  deletion_policy            = local.queue_deletion_policy

  expiration_policy {
    ttl = "" # never expire
  }

  # For a bulk replay: a dead letter that the dispatcher could not publish is delivered again after this backoff.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
}

# Pub/Sub pushes to the dispatcher's /replay and /shards as this account, which has no other permission.
resource "google_service_account" "replay" {
  account_id   = "${var.name_prefix}-replay"
  display_name = "Pub/Sub, when it pushes to the dispatcher"

  depends_on = [google_project_service.this]
}

resource "google_service_account_iam_member" "agent_signs_as_replay" {
  service_account_id = google_service_account.replay.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

resource "google_cloud_run_v2_service_iam_member" "replay_invokes_dispatcher" {
  name     = google_cloud_run_v2_service.dispatcher.name
  location = google_cloud_run_v2_service.dispatcher.location
  role     = "roles/run.invoker"
  member   = google_service_account.replay.member
}
