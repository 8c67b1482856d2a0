locals {
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], var.notification_channels)

  dispatcher_requests             = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${local.dispatcher_name}\" AND metric.type = \"run.googleapis.com/request_count\""
  worker_requests                 = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${local.worker_name}\" AND metric.type = \"run.googleapis.com/request_count\""
  push_subscription               = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.push.name}\""
  dead_letter_subscription        = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.dead.name}\""
  shard_subscription              = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.shards.name}\""
  ledger_dead_letter_subscription = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.ledger_dead.name}\""
  ledger_subscriptions            = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = one_of(${join(", ", [for subscription in google_pubsub_subscription.ledger : "\"${subscription.name}\""])})"
  subscription_metric             = "metric.type = \"pubsub.googleapis.com/subscription"

  dead_lettered_by_pubsub = "${local.push_subscription} AND ${local.subscription_metric}/dead_letter_message_count\""

  # The keys are headings of the runbook, which has a section for each alert. `aligner` is the function that combines the
  # points of one minute into one point.
  alerts = {
    oldest-unacked = {
      title    = "A job is unacknowledged for too long"
      severity = "ERROR"
      summary  = "The oldest job was not acknowledged within ${var.alert_thresholds.oldest_unacked_seconds} seconds."
      conditions = {
        "oldest unacknowledged job" = {
          filter  = "${local.push_subscription} AND ${local.subscription_metric}/oldest_unacked_message_age\""
          aligner = "ALIGN_MAX", above = var.alert_thresholds.oldest_unacked_seconds, minutes = 5
        }
      }
    }
    stalled-dispatch = {
      title    = "A dispatch does not continue"
      severity = "ERROR"
      summary  = "The rest of a dispatch was not continued within ${var.alert_thresholds.oldest_unacked_seconds} seconds."
      conditions = {
        "oldest unacknowledged shard" = {
          filter  = "${local.shard_subscription} AND ${local.subscription_metric}/oldest_unacked_message_age\""
          aligner = "ALIGN_MAX", above = var.alert_thresholds.oldest_unacked_seconds, minutes = 5
        }
      }
    }
    dead-letters = {
      title    = "Jobs were dead-lettered"
      severity = "WARNING"
      summary  = "${google_pubsub_subscription.dead.name} contains dead letters; the ledger's view failures shows their reasons."
      conditions = merge(
        # With settled, the worker dead-letters jobs, and Pub/Sub's count is the alert infrastructure-dead-letters.
        {
          for name in ["jobs became dead letters"] : name => {
            filter  = local.dead_lettered_by_pubsub
            aligner = "ALIGN_DELTA", above = 0, minutes = 0
          } if var.ack_policy == "success"
        },
        {
          "dead letters are not replayed" = {
            filter  = "${local.dead_letter_subscription} AND ${local.subscription_metric}/num_undelivered_messages\""
            aligner = "ALIGN_MAX", above = 0, minutes = 5
          }
        },
      )
    }
    push-failures = {
      title    = "Pushes are not acknowledged"
      severity = "WARNING"
      summary  = "More than ${var.alert_thresholds.push_failure_ratio * 100} % of the pushes were not acknowledged; Pub/Sub therefore slows down the whole subscription."
      conditions = {
        "share of pushes that are not acknowledged" = {
          filter      = "${local.push_subscription} AND ${local.subscription_metric}/push_request_count\" AND metric.labels.response_class != \"ack\""
          denominator = "${local.push_subscription} AND ${local.subscription_metric}/push_request_count\""
          aligner     = "ALIGN_DELTA", above = var.alert_thresholds.push_failure_ratio, minutes = 15
        }
      }
    }
    server-errors = {
      title    = "A service answers with server errors"
      severity = "ERROR"
      summary  = "The worker answered 500, which is a bug (503 and 429 are retries and do not count), or the dispatcher answered 5xx."
      conditions = {
        "worker's 500" = {
          filter  = "${local.worker_requests} AND metric.labels.response_code = \"500\""
          aligner = "ALIGN_DELTA", above = 0, minutes = 0
        }
        "dispatcher's 5xx" = {
          filter  = "${local.dispatcher_requests} AND metric.labels.response_code_class = \"5xx\""
          aligner = "ALIGN_DELTA", above = 0, minutes = 0
        }
      }
    }
    backlog = {
      title    = "The backlog is long"
      severity = "WARNING"
      summary  = "More than ${var.alert_thresholds.backlog_jobs} jobs are undelivered."
      conditions = {
        "undelivered jobs" = {
          filter  = "${local.push_subscription} AND ${local.subscription_metric}/num_undelivered_messages\""
          aligner = "ALIGN_MAX", above = var.alert_thresholds.backlog_jobs, minutes = 15
        }
      }
    }
    ledger-lagging = {
      title    = "The ledger lags behind"
      severity = "ERROR"
      summary  = "Rows were not written within ${var.alert_thresholds.ledger_lag_seconds} seconds, or BigQuery rejected some (${google_pubsub_subscription.ledger_dead.name} keeps them)."
      conditions = {
        # One condition for all tables, because each condition is paid for; the incident names the subscription.
        "oldest row that is not yet in its table" = {
          filter  = "${local.ledger_subscriptions} AND ${local.subscription_metric}/oldest_unacked_message_age\""
          aligner = "ALIGN_MAX", above = var.alert_thresholds.ledger_lag_seconds, minutes = 5, group = ["resource.label.subscription_id"]
        }
        "rows that BigQuery rejected" = {
          filter  = "${local.ledger_dead_letter_subscription} AND ${local.subscription_metric}/num_undelivered_messages\""
          aligner = "ALIGN_MAX", above = 0, minutes = 5
        }
      }
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = "${var.name_prefix}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.alerts

  display_name          = "${var.name_prefix}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = local.labels

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.key

      condition_threshold {
        filter             = conditions.value.filter
        denominator_filter = try(conditions.value.denominator, null)
        comparison         = "COMPARISON_GT"
        threshold_value    = conditions.value.above
        duration           = "${conditions.value.minutes * 60}s"

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = conditions.value.aligner
          cross_series_reducer = conditions.value.aligner == "ALIGN_MAX" ? "REDUCE_MAX" : "REDUCE_SUM"
          group_by_fields      = try(conditions.value.group, null)
        }

        dynamic "denominator_aggregations" {
          for_each = can(conditions.value.denominator) ? [conditions.value.aligner] : []
          content {
            alignment_period     = "60s"
            per_series_aligner   = denominator_aggregations.value
            cross_series_reducer = "REDUCE_SUM"
          }
        }

        trigger {
          count = 1
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    subject = "${var.name_prefix} (${var.environment}): ${each.value.title}"
    content = "${each.value.summary}\n\nWhat to do: ${var.runbook_url}#${each.key}"

    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}#${each.key}"
    }
  }

  depends_on = [google_project_service.this]
}

# Cloud Scheduler has no metric for failed attempts, but logs them.
resource "google_monitoring_alert_policy" "missed_schedule" {
  count = length(var.schedules) > 0 ? 1 : 0

  display_name          = "${var.name_prefix}: A crawl was not dispatched"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "Cloud Scheduler's attempt failed"

    condition_matched_log {
      filter = "resource.type = \"cloud_scheduler_job\" AND severity >= ERROR AND resource.labels.job_id = (${join(" OR ", [for job in google_cloud_scheduler_job.crawl : "\"${job.name}\""])})"

      label_extractors = { job = "EXTRACT(resource.labels.job_id)" }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    subject = "${var.name_prefix} (${var.environment}): A crawl was not dispatched"
    content = "Cloud Scheduler could not dispatch a crawl. A repeated attempt makes the same jobs.\n\nWhat to do: ${var.runbook_url}#missed-schedule"

    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}#missed-schedule"
    }
  }
}

# Detects schedules that send nothing without failing: a paused or deleted job, a wrong time zone.
resource "google_monitoring_alert_policy" "silence" {
  count = var.alert_thresholds.dispatch_silence_seconds == null ? 0 : 1

  display_name          = "${var.name_prefix}: No crawl was dispatched"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "the dispatcher receives no request"

    condition_absent {
      filter   = local.dispatcher_requests
      duration = "${var.alert_thresholds.dispatch_silence_seconds}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }

      trigger {
        count = 1
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    subject = "${var.name_prefix} (${var.environment}): No crawl was dispatched"
    content = "The dispatcher received no request for ${var.alert_thresholds.dispatch_silence_seconds} seconds.\n\nWhat to do: ${var.runbook_url}#missed-schedule"

    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}#missed-schedule"
    }
  }

  depends_on = [google_project_service.this]
}
