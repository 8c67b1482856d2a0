# Alerts about what could cost a job its attempts although its site was not asked.

locals {
  infrastructure_title = "Jobs were dead-lettered by the infrastructure"

  # With success, Pub/Sub dead-letters every job, and its count does not show why; but the worker logs each delivery that was the last
  # one. The condition is a log match, because one on a log-based metric could not be created in the same apply as the metric.
  last_delivery_log = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${local.worker_name}\" AND jsonPayload.message = \"delivery_finished\" AND jsonPayload.last_attempt = true AND jsonPayload.cause = \"infrastructure\""

  # Pushes that Pub/Sub counts as answered with 4xx, but that no container answered. Cloud Run's request_count does not include
  # requests that reach no container: https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-run
  pubsub_pushes       = "pubsub_googleapis_com:subscription_push_request_count{monitored_resource=\"pubsub_subscription\",subscription_id=\"${google_pubsub_subscription.push.name}\"%s}"
  pushes_4xx          = format(local.pubsub_pushes, ",response_class=\"remote_server_4xx\"")
  worker_4xx          = "run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=\"${local.worker_name}\",response_code_class=\"4xx\"}"
  refused_push_ratio  = "(sum(rate(${local.pushes_4xx}[10m])) - (sum(rate(${local.worker_4xx}[10m])) or vector(0))) / sum(rate(${format(local.pubsub_pushes, "")}[10m]))"
  refused_pushes_name = "Cloud Run refuses pushes"
}

resource "google_monitoring_alert_policy" "infrastructure_dead_letters" {
  display_name          = "${var.name_prefix}: ${local.infrastructure_title}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "a job was dead-lettered without an answer from its site"

    dynamic "condition_matched_log" {
      for_each = var.ack_policy == "success" ? [local.last_delivery_log] : []
      content {
        filter = condition_matched_log.value

        label_extractors = { reason = "EXTRACT(jsonPayload.reason)" }
      }
    }

    # With settled, the worker dead-letters every job whose page failed, so whatever Pub/Sub itself dead-letters, after 100 deliveries,
    # had no answer from its site.
    dynamic "condition_threshold" {
      for_each = var.ack_policy == "settled" ? [local.dead_lettered_by_pubsub] : []
      content {
        filter          = condition_threshold.value
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"

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
  }

  alert_strategy {
    auto_close = "86400s"

    dynamic "notification_rate_limit" {
      for_each = var.ack_policy == "success" ? ["3600s"] : [] # only log matches have, and need, such a limit
      content {
        period = notification_rate_limit.value
      }
    }
  }

  documentation {
    subject = "${var.name_prefix} (${var.environment}): ${local.infrastructure_title}"
    content = "Jobs became dead letters although no page of theirs failed: no worker was available, or they waited too long.\n\nWhat to do: ${var.runbook_url}#infrastructure-dead-letters"

    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}#infrastructure-dead-letters"
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "refused_pushes" {
  display_name          = "${var.name_prefix}: ${local.refused_pushes_name}"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = "share of pushes that are refused before a worker receives them"

    condition_prometheus_query_language {
      query                     = "${local.refused_push_ratio} > ${var.alert_thresholds.refused_push_ratio}"
      duration                  = "900s"
      evaluation_interval       = "60s"
      disable_metric_validation = true # the metrics do not exist before the first push
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    subject = "${var.name_prefix} (${var.environment}): ${local.refused_pushes_name}"
    content = "For 15 minutes, Cloud Run has refused more than ${var.alert_thresholds.refused_push_ratio * 100} % of the pushes. Each refusal uses up a delivery of a job that no worker saw.\n\nWhat to do: ${var.runbook_url}#refused-pushes"

    links {
      display_name = "Runbook"
      url          = "${var.runbook_url}#refused-pushes"
    }
  }

  depends_on = [google_project_service.this]
}
