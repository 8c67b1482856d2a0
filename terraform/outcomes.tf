resource "google_pubsub_topic" "outcomes" {
  name                       = local.outcomes_topic
  message_retention_duration = "86400s" # A seek can write rows again. For older ones, BigQuery's time travel has 7 days.
  deletion_policy            = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "worker_publishes_outcomes" {
  topic  = google_pubsub_topic.outcomes.id
  role   = "roles/pubsub.publisher"
  member = google_service_account.worker.member
}
