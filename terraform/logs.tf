# Cloud Run logs each request. For a push that was acknowledged, that line says less than the ledger's row, and would cost more than the
# job's three trips through Pub/Sub. Refused and failed requests stay in the log, and Cloud Run's metrics count all of them.
# An exclusion of a project belongs to its _Default sink: https://cloud.google.com/logging/docs/routing/overview#exclusions
resource "google_logging_project_exclusion" "successful_requests" {
  name        = "${var.name_prefix}-successful-requests"
  description = "Requests that the services of ${var.name_prefix} answered with 2xx"
  filter = join(" AND ", [
    "log_id(\"run.googleapis.com/requests\")",
    "resource.type = \"cloud_run_revision\"",
    "resource.labels.service_name = (\"${local.dispatcher_name}\" OR \"${local.worker_name}\")",
    "resource.labels.location = \"${var.region}\"",
    "httpRequest.status >= 200 AND httpRequest.status < 300",
  ])

  depends_on = [google_project_service.this]
}
