locals {
  worker_environment = merge(var.extra_settings.worker, {
    GOOGLE_CLOUD_PROJECT          = var.project_id
    USER_AGENT                    = local.user_agent
    OUTCOMES_TOPIC                = local.outcomes_topic
    ACK_POLICY                    = var.ack_policy
    JOBS_TOPIC                    = local.jobs_topic
    DEAD_LETTER_TOPIC             = local.dead_letter_topic
    PUSH_AUTH                     = "oidc"
    PUSH_AUDIENCE                 = local.worker_url
    PUSH_SERVICE_ACCOUNT          = google_service_account.push.email
    MAX_ATTEMPTS                  = tostring(var.max_delivery_attempts)
    RETRY_MINIMUM_BACKOFF_SECONDS = tostring(var.retry_backoff.minimum)
    RETRY_MAXIMUM_BACKOFF_SECONDS = tostring(var.retry_backoff.maximum)
    PAGE_BUDGET_SECONDS           = tostring(local.page_budget_seconds)
    WAIT_BUDGET_SECONDS           = tostring(local.wait_budget_seconds)
    QUEUE_SECONDS                 = tostring(local.queue_seconds)
    REQUEST_TIMEOUT_SECONDS       = tostring(local.worker_timeout_seconds)
    ACK_DEADLINE_SECONDS          = tostring(var.ack_deadline_seconds)
    CONCURRENCY                   = tostring(var.worker_concurrency)
    PAGE_CONCURRENCY              = tostring(local.page_concurrency)
    WEB_CONCURRENCY               = tostring(var.worker_cpu)
    STARTUP_HOSTS                 = local.startup_hosts
    FETCH_SECRETS                 = join("; ", [for name, secret in var.secrets : "${name}=${join(",", secret.origins)}"])
  })
}

resource "google_service_account" "worker" {
  account_id   = "${var.name_prefix}-worker"
  display_name = "Worker: publishes outcomes"

  depends_on = [google_project_service.this]
}

# The worker reads the values of the secrets that crawls may name. The secrets themselves are made elsewhere, so that their values are in no
# Terraform state.
resource "google_secret_manager_secret_iam_member" "worker_reads_secret" {
  for_each = toset([for secret in values(var.secrets) : secret.secret])

  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.worker.member

  depends_on = [google_project_service.this]
}

resource "google_cloud_run_v2_service" "worker" {
  name                = local.worker_name
  location            = var.region
  description         = "Scrapes one page for each push"
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY" # Pub/Sub of this project counts as internal
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.worker.email
    timeout                          = "${local.worker_timeout_seconds}s"
    max_instance_request_concurrency = var.worker_concurrency
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    labels                           = local.labels

    scaling {
      min_instance_count = var.worker_min_instances
      max_instance_count = var.worker_max_instances
    }

    containers {
      image = local.images.worker

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = tostring(var.worker_cpu), memory = var.worker_memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.worker_environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.secrets
        content {
          name = "SECRET_${env.key}"

          value_source {
            secret_key_ref {
              secret  = env.value.secret
              version = tostring(env.value.version)
            }
          }
        }
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = var.vpc == null ? 30 : 90 # a new instance may be unable to connect for more than a minute

        # The placeholder image has no /startup.
        dynamic "tcp_socket" {
          for_each = var.images == null ? [8080] : []
          content {
            port = tcp_socket.value
          }
        }

        dynamic "http_get" {
          for_each = var.images == null ? [] : ["/startup"]
          content {
            path = http_get.value
          }
        }
      }

      dynamic "liveness_probe" {
        for_each = var.images == null ? [] : ["/healthz"]
        content {
          period_seconds    = 30
          timeout_seconds   = 5
          failure_threshold = 3

          http_get {
            path = liveness_probe.value
          }
        }
      }
    }

    dynamic "vpc_access" {
      for_each = google_compute_subnetwork.egress
      content {
        egress = "ALL_TRAFFIC"

        network_interfaces {
          subnetwork = vpc_access.value.id
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

  depends_on = [google_project_service.this, google_pubsub_topic_iam_member.worker_publishes_outcomes, google_compute_router_nat.egress, terraform_data.secret_grants_are_known]
}

resource "google_cloud_run_v2_service_iam_member" "push_invokes_worker" {
  name     = google_cloud_run_v2_service.worker.name
  location = google_cloud_run_v2_service.worker.location
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}
