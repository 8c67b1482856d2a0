resource "google_pubsub_topic" "outcomes" {
  name                       = local.outcomes_topic
  message_retention_duration = local.jobs_retention # so that the ledger can be filled again by a seek

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
