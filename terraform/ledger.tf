locals {
  ledger_files = "${path.module}/../contract/ledger"

  # contract/ledger/README.md explains why outcomes are stored in columns, and the others as bytes.
  ledger_tables = {
    jobs         = { topic = google_pubsub_topic.jobs, columns = false, clustering = null }
    outcomes     = { topic = google_pubsub_topic.outcomes, columns = true, clustering = ["run_id", "job_id"] }
    dead_letters = { topic = google_pubsub_topic.dead, columns = false, clustering = null }
    dispatches   = { topic = google_pubsub_topic.shards, columns = false, clustering = null }
    operator_log = { topic = google_pubsub_topic.operator, columns = true, clustering = null }
  }

  # Each view is written once; the same file also runs on SQLite on a laptop.
  ledger_views = {
    for file in fileset(local.ledger_files, "*.sql") :
    trimsuffix(file, ".sql") => templatefile("${local.ledger_files}/${file}", { ledger = "${var.project_id}.${var.ledger_dataset}" })
  }
  # BigQuery creates a view only after the tables and views that it reads. These views read another view.
  views_over_views = toset([
    for name, query in local.ledger_views : name
    if anytrue([for other in keys(local.ledger_views) : strcontains(query, ".${other}`")])
  ])

  # A query of a view reads all partitions of the tables, because no filter on the view's columns says when their rows were published.
  # So each view that reads tables also is a table function NAME_since(since), which reads only the rows that were published at or
  # after `since`. It has the view's query, in which the tables have this filter, and the views are their functions. BigQuery skips the
  # partitions before `since` if it is a parameter or a constant expression:
  # https://cloud.google.com/bigquery/docs/querying-partitioned-tables#use_a_constant_filter_expression
  bounded_views = toset([
    for name, query in local.ledger_views : name
    if anytrue([for other in concat(keys(local.ledger_tables), keys(local.ledger_views)) : strcontains(query, ".${other}`")])
  ])
  table_names = "/`([^`]+\\.(?:${join("|", keys(local.ledger_tables))}))`/"
  view_names  = "/`([^`]+\\.(?:${join("|", local.bounded_views)}))`/"
  ledger_functions = {
    for name in local.bounded_views : name => replace(
      replace(trimspace(local.ledger_views[name]), local.table_names, "(SELECT * FROM `$1` WHERE publish_time >= since)"),
      local.view_names, "`$${1}_since`(since)"
    )
  }
}

resource "google_bigquery_dataset" "ledger" {
  dataset_id                 = var.ledger_dataset
  location                   = coalesce(var.ledger_location, var.region)
  description                = "Every job, outcome, dead letter, dispatch and act of an operator, and the views over them"
  delete_contents_on_destroy = var.environment == "dev"
  deletion_policy            = local.ledger_deletion_policy

  depends_on = [google_project_service.this]
}

resource "google_bigquery_table" "ledger" {
  for_each = local.ledger_tables

  dataset_id          = google_bigquery_dataset.ledger.dataset_id
  table_id            = each.key
  schema              = file("${local.ledger_files}/${each.key}.schema.json")
  clustering          = each.value.clustering
  deletion_protection = var.deletion_protection
  deletion_policy     = local.ledger_deletion_policy

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.ledger_expiration_days == null ? null : var.ledger_expiration_days * 24 * 60 * 60 * 1000
  }
}

resource "google_bigquery_table" "view" {
  #checkov:skip=CKV_GCP_121:a view stores no rows
  for_each = setsubtract(keys(local.ledger_views), local.views_over_views)

  dataset_id          = google_bigquery_dataset.ledger.dataset_id
  table_id            = each.key
  deletion_protection = false # a view stores no rows
  deletion_policy     = local.view_deletion_policy

  view {
    query          = local.ledger_views[each.key]
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.ledger]
}

# In version 0.1, the view `failures` read only tables, so it was an instance of the resource above.
moved {
  from = google_bigquery_table.view["failures"]
  to   = google_bigquery_table.view_over_views["failures"]
}

resource "google_bigquery_table" "view_over_views" {
  #checkov:skip=CKV_GCP_121:a view stores no rows
  for_each = local.views_over_views

  dataset_id          = google_bigquery_dataset.ledger.dataset_id
  table_id            = each.key
  deletion_protection = false
  deletion_policy     = local.view_deletion_policy

  view {
    query          = local.ledger_views[each.key]
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.view]
}

resource "google_bigquery_routine" "view_since" {
  for_each = setsubtract(local.bounded_views, local.views_over_views)

  dataset_id      = google_bigquery_dataset.ledger.dataset_id
  routine_id      = "${each.key}_since"
  routine_type    = "TABLE_VALUED_FUNCTION"
  language        = "SQL"
  description     = "The view ${each.key}, of rows that were published at or after `since`"
  definition_body = local.ledger_functions[each.key]

  arguments {
    name      = "since"
    data_type = jsonencode({ typeKind = "TIMESTAMP" })
  }

  depends_on = [google_bigquery_table.ledger, google_bigquery_table.view]
}

resource "google_bigquery_routine" "view_over_views_since" {
  for_each = setintersection(local.bounded_views, local.views_over_views)

  dataset_id      = google_bigquery_dataset.ledger.dataset_id
  routine_id      = "${each.key}_since"
  routine_type    = "TABLE_VALUED_FUNCTION"
  language        = "SQL"
  description     = "The view ${each.key}, of rows that were published at or after `since`"
  definition_body = local.ledger_functions[each.key]

  arguments {
    name      = "since"
    data_type = jsonencode({ typeKind = "TIMESTAMP" })
  }

  depends_on = [google_bigquery_routine.view_since]
}

resource "google_bigquery_dataset_iam_member" "agent_reads_ledger_metadata" {
  dataset_id = google_bigquery_dataset.ledger.dataset_id
  role       = "roles/bigquery.metadataViewer"
  member     = local.pubsub_agent
}

resource "google_bigquery_table_iam_member" "agent_writes_ledger" {
  for_each = google_bigquery_table.ledger

  dataset_id = each.value.dataset_id
  table_id   = each.value.table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}

resource "google_pubsub_subscription" "ledger" {
  for_each = local.ledger_tables

  name                       = "${each.value.topic.name}-ledger"
  topic                      = each.value.topic.id
  ack_deadline_seconds       = 60
  message_retention_duration = local.jobs_retention
  deletion_policy            = local.queue_deletion_policy

  expiration_policy {
    ttl = "" # never expire
  }

  bigquery_config {
    table               = "${var.project_id}.${var.ledger_dataset}.${google_bigquery_table.ledger[each.key].table_id}"
    write_metadata      = true
    use_table_schema    = each.value.columns
    drop_unknown_fields = each.value.columns
  }

  # A row that BigQuery rejects is kept in this topic and does not block the others. The number of attempts is the
  # maximum, so that an outage of BigQuery does not dead-letter the rows.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.ledger_dead.id
    max_delivery_attempts = 100
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # Pub/Sub checks the service agent's permission to write when the subscription is created.
  depends_on = [terraform_data.ledger_grants_are_known]
}

resource "google_pubsub_subscription_iam_member" "agent_takes_from_ledger" {
  for_each = google_pubsub_subscription.ledger

  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.ledger[each.key].id]
  }
}

resource "google_pubsub_topic" "ledger_dead" {
  name                       = "${var.topic_prefix}-ledger-dead"
  message_retention_duration = var.dead_letter_retention
  deletion_policy            = local.queue_deletion_policy

  message_storage_policy {
    allowed_persistence_regions = local.persistence_regions
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic_iam_member" "agent_publishes_ledger_dead" {
  topic  = google_pubsub_topic.ledger_dead.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription" "ledger_dead" {
  name                       = "${var.topic_prefix}-ledger-dead-pull"
  topic                      = google_pubsub_topic.ledger_dead.id
  ack_deadline_seconds       = 600
  message_retention_duration = var.dead_letter_retention
  deletion_policy            = local.queue_deletion_policy

  expiration_policy {
    ttl = "" # never expire
  }
}
