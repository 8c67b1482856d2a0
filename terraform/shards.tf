# What does not fit into one request of a dispatch: the dispatcher publishes a shard to this topic, and Pub/Sub pushes it to the
# dispatcher, which continues. The last request publishes an end record, which only the ledger receives.

locals {
  shard_ack_deadline_seconds = 600 # Pub/Sub's maximum, and the time limit of one push
}

resource "google_pubsub_topic" "shards" {
  name            = local.dispatch_topic
  deletion_policy = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "dispatcher_publishes_shards" {
  topic  = google_pubsub_topic.shards.id
  role   = "roles/pubsub.publisher"
  member = google_service_account.dispatcher.member
}

# There is no dead-letter policy: a shard is delivered again until its dispatch has continued. The alert stalled-dispatch
# reports one that is not.
resource "google_pubsub_subscription" "shards" {
  name                       = "${local.dispatch_topic}-push"
  topic                      = google_pubsub_topic.shards.id
  filter                     = "attributes:shard" # end records do not have this attribute
  ack_deadline_seconds       = local.shard_ack_deadline_seconds
  message_retention_duration = local.jobs_retention
  deletion_policy            = local.queue_deletion_policy

  expiration_policy {
    ttl = "" # never expire
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  push_config {
    push_endpoint = "${local.dispatcher_url}/shards"

    # The account that may also push dead letters to /replay.
    oidc_token {
      service_account_email = google_service_account.replay.email
      audience              = local.dispatcher_url
    }
  }

  depends_on = [
    google_cloud_run_v2_service.dispatcher,
    google_cloud_run_v2_service_iam_member.replay_invokes_dispatcher,
    google_service_account_iam_member.agent_signs_as_replay,
  ]
}
