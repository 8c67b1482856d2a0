locals {
  dispatcher_environment = merge(var.extra_settings.dispatcher, {
    GOOGLE_CLOUD_PROJECT    = var.project_id
    USER_AGENT              = local.user_agent
    JOBS_TOPIC              = local.jobs_topic
    SITEMAP_BUDGET_SECONDS  = tostring(floor(var.dispatcher_timeout_seconds / 4))
    PUBLISH_TIMEOUT_SECONDS = tostring(floor(var.dispatcher_timeout_seconds / 2))
    DISPATCH_TOPIC          = local.dispatch_topic
    SHARD_SECONDS           = tostring(floor(min(var.dispatcher_timeout_seconds, local.shard_ack_deadline_seconds) * 0.4))
    STARTUP_HOSTS           = local.startup_hosts
    # The paths /replay and /shards accept only pushes with tokens of this account and audience.
    PUSH_AUTH            = "oidc"
    PUSH_AUDIENCE        = local.dispatcher_url
    PUSH_SERVICE_ACCOUNT = google_service_account.replay.email
  })
}

resource "google_service_account" "dispatcher" {
  account_id   = "${var.name_prefix}-dispatcher"
  display_name = "Dispatcher: publishes jobs"

  depends_on = [google_project_service.this]
}

# Files with URLs at gs:// addresses.
resource "google_storage_bucket_iam_member" "dispatcher_reads_urls_files" {
  for_each = toset(var.urls_file_buckets)

  bucket = each.value
  role   = "roles/storage.objectViewer"
  member = google_service_account.dispatcher.member
}

resource "google_cloud_run_v2_service" "dispatcher" {
  name                = local.dispatcher_name
  location            = var.region
  description         = "Turns a crawl into jobs"
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY" # Cloud Scheduler and Pub/Sub of this project are internal
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.dispatcher.email
    timeout                          = "${var.dispatcher_timeout_seconds}s"
    max_instance_request_concurrency = 3 # the memory below is enough for three dispatches
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    labels                           = local.labels

    scaling {
      min_instance_count = 0
      max_instance_count = var.dispatcher_max_instances
    }

    containers {
      image = local.images.dispatcher

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = "1", memory = "1Gi" } # three sitemaps of 50 MB at a time, which are held once, and their jobs
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.dispatcher_environment
        content {
          name  = env.key
          value = env.value
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

  depends_on = [google_project_service.this, google_pubsub_topic_iam_member.dispatcher_publishes_jobs, google_pubsub_topic_iam_member.dispatcher_publishes_shards, google_storage_bucket_iam_member.dispatcher_reads_urls_files, google_compute_router_nat.egress]
}
