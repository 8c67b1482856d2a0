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

# What the people need who use `scrapeq` against this stack: to record what they do, to cancel, pause and resume, and to replay dead
# letters. Each role is granted on the one resource that it is needed for. No predefined role allows an update without a deletion, and a
# custom role would need a deployer that may give anyone any role, so two resources have roles/pubsub.editor.

locals {
  # Members, by keys that are known before an apply. The account of the operator's page is an operator only if the page has acts.
  operators = merge(
    { for member in var.operators : member => member },
    local.console_acts ? { console = google_service_account.console[0].member } : {},
  )
  readers = merge(local.operators, var.console == null ? {} : { console = google_service_account.console[0].member })

  # The subscriptions that the screen of the queue shows.
  shown_subscriptions = merge(
    { jobs = google_pubsub_subscription.push.name, shards = google_pubsub_subscription.shards.name, dead = google_pubsub_subscription.dead.name },
    { for topic, subscription in google_pubsub_subscription.ledger : "ledger-${topic}" => subscription.name },
  )
}

resource "google_pubsub_topic_iam_member" "operators_record_acts" {
  for_each = local.operators

  topic  = google_pubsub_topic.operator.id
  role   = "roles/pubsub.publisher"
  member = each.value
}

# Cancel and pause: labels of the topic. Replay: publishing to it, which this role includes.
resource "google_pubsub_topic_iam_member" "operators_label_jobs" {
  for_each = local.operators

  topic  = google_pubsub_topic.jobs.id
  role   = "roles/pubsub.editor"
  member = each.value
}

# Pause and resume of everything: the push configuration.
resource "google_pubsub_subscription_iam_member" "operators_pause_pushes" {
  for_each = local.operators

  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.editor"
  member       = each.value

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.push.id] # a replaced subscription has lost the grant
  }
}

# Whoever sets a push configuration must be allowed to act as the account that it names.
resource "google_service_account_iam_member" "operators_use_push" {
  for_each = local.operators

  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_pubsub_subscription_iam_member" "operators_take_dead_letters" {
  for_each = local.operators

  subscription = google_pubsub_subscription.dead.name
  role         = "roles/pubsub.subscriber"
  member       = each.value

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.dead.id] # a replaced subscription has lost the grant
  }
}

# If a subscription is replaced, the next apply grants this again; until then the screen of the queue lacks the subscription.
resource "google_pubsub_subscription_iam_member" "operators_see_subscriptions" {
  for_each = {
    for pair in setproduct(keys(local.readers), keys(local.shown_subscriptions)) : "${pair[0]} ${pair[1]}" => pair
  }

  subscription = local.shown_subscriptions[each.value[1]]
  role         = "roles/pubsub.viewer"
  member       = local.readers[each.value[0]]
}

resource "google_bigquery_dataset_iam_member" "operators_read_ledger" {
  for_each = local.readers

  dataset_id = google_bigquery_dataset.ledger.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# Queries run in the project; there is no smaller resource to grant this role on.
resource "google_project_iam_member" "operators_run_queries" {
  for_each = local.readers

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = each.value
}
