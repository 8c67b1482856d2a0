locals {
  # Charts, in reading order. group: the label by which a chart is split into lines.
  charts = [
    { title = "Pushes / s, by response class", filter = "${local.push_subscription} AND ${local.subscription_metric}/push_request_count\"", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_class"], type = "STACKED_AREA" },
    { title = "Push latency", filter = "${local.push_subscription} AND ${local.subscription_metric}/push_request_latencies\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = [], type = "HEATMAP" },
    { title = "Age of the oldest unacknowledged job, seconds", filter = "${local.push_subscription} AND ${local.subscription_metric}/oldest_unacked_message_age\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Undelivered jobs", filter = "${local.push_subscription} AND ${local.subscription_metric}/num_undelivered_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Outstanding pushes (of ${local.push_slots} slots)", filter = "${local.push_subscription} AND ${local.subscription_metric}/num_outstanding_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", group = [], type = "LINE" },
    { title = var.ack_policy == "settled" ? "Dead letters of the infrastructure / min" : "Dead letters that Pub/Sub made / min", filter = local.dead_lettered_by_pubsub, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = [], type = "STACKED_BAR" },
    { title = "Dead letters to replay", filter = "${local.dead_letter_subscription} AND ${local.subscription_metric}/num_undelivered_messages\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Age of the oldest row not yet in the ledger, seconds", filter = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${var.topic_prefix}-.*-ledger\") AND ${local.subscription_metric}/oldest_unacked_message_age\"", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = ["resource.label.subscription_id"], type = "LINE" },
    { title = "Worker instances (at most ${var.worker_max_instances})", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/instance_count\"", aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", group = ["metric.label.state"], type = "STACKED_AREA" },
    { title = "Worker responses / s", filter = local.worker_requests, aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_code"], type = "STACKED_AREA" },
    { title = "Worker latency, p95 ms", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/request_latencies\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Worker CPU, p95", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/cpu/utilizations\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Worker memory, p95", filter = "${local.worker_service} AND metric.type = \"run.googleapis.com/container/memory/utilizations\"", aligner = "ALIGN_PERCENTILE_95", reducer = "REDUCE_MAX", group = [], type = "LINE" },
    { title = "Dispatches / s", filter = local.dispatcher_requests, aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", group = ["metric.label.response_code"], type = "STACKED_AREA" },
  ]
  # Charts of queries in PromQL, which computes what an aligner cannot.
  queries = [
    # A publish request has up to 1,000 messages, so this counts messages, by the number of their sizes. The count of operations is
    # deprecated: https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub
    { title = "Jobs published / s", query = "sum(rate(pubsub_googleapis_com:topic_message_sizes_count{monitored_resource=\"pubsub_topic\",topic_id=\"${google_pubsub_topic.jobs.name}\"}[1m]))" },
    { title = "Share of pushes that Cloud Run refuses (429, 401, 403)", query = local.refused_push_ratio },
  ]
  query_widgets = [
    for each in local.queries : {
      title   = each.title
      xyChart = { dataSets = [{ plotType = "LINE", timeSeriesQuery = { prometheusQuery = each.query } }] }
    }
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

  logs = merge(
    { "Errors in the logs" = "resource.type = (\"cloud_run_revision\" OR \"cloud_scheduler_job\") AND severity >= ERROR" },
    # With settled, the chart of Pub/Sub's dead letters shows these. With success, only the worker knows why it was the last delivery.
    { for title in ["Dead letters of the infrastructure"] : title => local.last_delivery_log if var.ack_policy == "success" },
  )
  log_widgets = [for title, filter in local.logs : { title = title, logsPanel = { filter = filter } }]

  help_widgets = [{
    title = "What to do"
    text = {
      format  = "MARKDOWN"
      content = join("\n", [for name in sort(concat(keys(local.alerts), ["infrastructure-dead-letters", "missed-schedule", "refused-pushes"])) : "- [${name}](${var.runbook_url}#${name})"])
    }
  }]

  widgets = concat(local.help_widgets, local.query_widgets, local.chart_widgets, local.alert_widgets, local.log_widgets)
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
