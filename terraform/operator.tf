# What operators do (cancel, pause, resume, replay, replace, drop): the console publishes each act to this topic, and the ledger's table
# operator_log keeps it.

resource "google_pubsub_topic" "operator" {
  name            = local.operator_topic
  deletion_policy = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}
