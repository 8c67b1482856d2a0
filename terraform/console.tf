# The operator's page on Cloud Run, if var.console is set. It reads the ledger as an account of its own, and can act on the queue only with
# console.acts, which needs the Identity-Aware Proxy: only the proxy proves to the page who the operator is.
locals {
  console_count = var.console == null ? 0 : 1
  console_iap   = var.console == null ? false : var.console.iap
  console_acts  = var.console == null ? false : var.console.acts
  console_name  = "${var.name_prefix}-console"
  console_host  = "${local.console_name}-${data.google_project.this.number}.${var.region}.run.app"

  # The audience of the proxy's assertions: https://cloud.google.com/iap/docs/signed-headers-howto
  console_audience = "/projects/${data.google_project.this.number}/locations/${var.region}/services/${local.console_name}"
  console_arguments = concat(
    # Cloud Run forwards only requests for the service's own names, of which one is known only after it is created.
    ["console", "--host", "0.0.0.0", "--port", "8080", "--allow-host", "*"],
    local.console_iap ? ["--behind", "iap", "--iap-audience", local.console_audience] : ["--behind", "iam"],
    local.console_acts ? [] : ["--read-only"],
  )
}

resource "google_service_account" "console" {
  count = local.console_count

  account_id   = local.console_name
  display_name = "Operator's page: reads the ledger"

  depends_on = [google_project_service.this]
}

resource "google_cloud_run_v2_service" "console" {
  count = local.console_count

  name                = local.console_name
  location            = var.region
  description         = "Shows runs, jobs and dead letters to operators"
  ingress             = "INGRESS_TRAFFIC_ALL" # each request is checked by IAM, or by the proxy, before it reaches the page
  iap_enabled         = local.console_iap
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.console[0].email
    timeout                          = "300s" # a query may take 120 s, and a screen has several
    max_instance_request_concurrency = 16     # threads of the page
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    labels                           = local.labels

    # The progress of an act, and the key of the forms' tokens, are in the memory of one instance.
    scaling {
      min_instance_count = 0
      max_instance_count = 1
    }

    containers {
      image = local.images.console
      args  = local.images.console == local.placeholder ? null : local.console_arguments

      ports {
        container_port = 8080
      }

      # An act goes on after its request, so it needs a processor then.
      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        cpu_idle          = !local.console_acts
        startup_cpu_boost = true
      }

      env {
        name  = "LEDGER"
        value = local.ledger_address
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 30

        tcp_socket {
          port = 8080
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  lifecycle {
    ignore_changes = [client, client_version] # gcloud and the console write these fields
  }

  depends_on = [google_project_service.this]
}

# Without the proxy the members invoke the page themselves; with it, only the proxy does.
resource "google_cloud_run_v2_service_iam_member" "invokes_console" {
  for_each = var.console == null ? {} : (
    local.console_iap
    ? { iap = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-iap.iam.gserviceaccount.com" }
    : { for member in var.console.members : member => member }
  )

  name     = google_cloud_run_v2_service.console[0].name
  location = google_cloud_run_v2_service.console[0].location
  role     = "roles/run.invoker"
  member   = each.value
}

# `gcloud run services proxy` reads the URL of the service.
resource "google_cloud_run_v2_service_iam_member" "finds_console" {
  for_each = var.console == null || local.console_iap ? toset([]) : toset(var.console.members)

  name     = google_cloud_run_v2_service.console[0].name
  location = google_cloud_run_v2_service.console[0].location
  role     = "roles/run.viewer"
  member   = each.value
}

resource "google_iap_web_cloud_run_service_iam_member" "passes_proxy" {
  for_each = local.console_iap ? toset(var.console.members) : toset([])

  project                = var.project_id
  location               = google_cloud_run_v2_service.console[0].location
  cloud_run_service_name = google_cloud_run_v2_service.console[0].name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}
