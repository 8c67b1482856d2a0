locals {
  # Charts, in reading order. group: the label by which a chart is split into lines.
  charts = [
    { title = "Jobs published / s", filter = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${google_pubsub_topic.jobs.name}\" AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = [], type = "LINE" },
    { title = "Pushes / s, by response class", filter = "${local.push_subscription} AND ${local.subscription_metric}/push_request_count\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_class"], type = "STACKED_AREA" },
    { title = "Push latency", filter = "${local.push_subscription} AND ${local.subscription_metric}/push_request_latencies\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = [], type = "HEATMAP" },
    { title = "Age of the oldest unacknowledged job, seconds", filter = "${local.push_subscription} AND ${local.subscription_metric}/oldest_unacked_message_age\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Undelivered jobs", filter = "${local.push_subscription} AND ${local.subscription_metric}/num_undelivered_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Outstanding pushes (of ${local.push_slots} slots)", filter = "${local.push_subscription} AND ${local.subscription_metric}/num_outstanding_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", group = [], type = "LINE" },
    { title = "Dead letters to replay", filter = "${local.dead_letter_subscription} AND ${local.subscription_metric}/num_undelivered_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Age of the oldest row not yet in the ledger, seconds", filter = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${var.topic_prefix}-.*-ledger\") AND ${local.subscription_metric}/oldest_unacked_message_age\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = ["resource.label.subscription_id"], type = "LINE" },
    { title = "Worker instances (at most ${var.worker_max_instances})", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/instance_count\"", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", group = ["metric.label.state"], type = "STACKED_AREA" },
    { title = "Worker responses / s", filter = local.worker_requests, aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_code"], type = "STACKED_AREA" },
    { title = "Worker latency, p95 ms", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/request_latencies\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Worker CPU, p95", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/cpu/utilizations\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Worker memory, p95", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/memory/utilizations\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Dispatches / s", filter = local.dispatcher_requests, aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_code"], type = "STACKED_AREA" },
  ]
  worker_service = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${local.worker_name}\""

  chart_widgets = [
    for chart in local.charts : {
      title = chart.title
      xyChart = {
        dataSets = [{
          plotType = chart.type
          timeSeriesQuery = {
            timeSeriesFilter = {
              filter = chart.filter
              aggregation = merge(
                {
                  alignmentPeriod    = "60s"
                  perSeriesAligner   = chart.aligner
                  crossSeriesReducer = chart.reducer
                },
                { for name, labels in { groupByFields = chart.group } : name => labels if length(labels) > 0 },
              )
            }
          }
        }]
      }
    }
  ]

  alert_widgets = [
    for policy in concat(values(google_monitoring_alert_policy.threshold), [google_monitoring_alert_policy.refused_pushes]) :
    { alertChart = { name = policy.name } }
  ]

  log_widgets = [{
    title = "Errors in the logs"
    logsPanel = {
      filter = "resource.type = (\"cloud_run_revision\" OR \"cloud_scheduler_job\") AND severity >= ERROR"
    }
  }]

  help_widgets = [{
    title = "What to do"
    text = {
      format  = "MARKDOWN"
      content = join("\n", [for name in sort(concat(keys(local.alerts), ["infrastructure-dead-letters", "missed-schedule", "refused-pushes"])) : "- [${name}](${var.runbook_url}#${name})"])
    }
  }]

  widgets = concat(local.help_widgets, local.chart_widgets, local.alert_widgets, local.log_widgets)
}

# The JSON contains no zero and no empty list: Google drops them, so that every plan would add them again.
resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = "${var.name_prefix} (${var.environment})"
    mosaicLayout = {
      columns = 12
      # Three tiles in a row.
      tiles = [
        for place, widget in local.widgets : merge(
          { width = 4, height = 4, widget = widget },
          { for axis, position in { xPos = place % 3 * 4, yPos = floor(place / 3) * 4 } : axis => position if position > 0 },
        )
      ]
    }
  })

  depends_on = [google_project_service.this]
}
