locals {
  crawl_files = { for name, _ in var.schedules : name => "${path.module}/${var.crawls_directory}/${name}.yaml" }
  # null if the file is missing or is not YAML; the preconditions below then report it.
  crawls = { for name, file in local.crawl_files : name => try(yamldecode(file(file)), null) }
}

resource "google_service_account" "scheduler" {
  account_id   = "${var.name_prefix}-scheduler"
  display_name = "Cloud Scheduler, when it posts crawls to the dispatcher"

  depends_on = [google_project_service.this]
}

resource "google_cloud_run_v2_service_iam_member" "scheduler_invokes_dispatcher" {
  name     = google_cloud_run_v2_service.dispatcher.name
  location = google_cloud_run_v2_service.dispatcher.location
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member
}

resource "google_cloud_scheduler_job" "crawl" {
  for_each = var.schedules

  name             = "${var.name_prefix}-${each.key}"
  region           = var.region
  description      = "Dispatches the crawl ${each.key}"
  schedule         = each.value.cron
  time_zone        = each.value.time_zone
  paused           = each.value.paused
  attempt_deadline = "${var.dispatcher_timeout_seconds}s"

  # The run id is the crawl's name and the scheduled time, so a repeated attempt makes the same jobs.
  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "300s"
  }

  http_target {
    uri         = "${local.dispatcher_url}/"
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode(local.crawls[each.key]))

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.dispatcher_url
    }
  }

  lifecycle {
    precondition {
      condition     = local.crawls[each.key] != null
      error_message = "schedules names ${each.key}, but ${local.crawl_files[each.key]} is missing or is not YAML. Try `scrapeq recipe check` on it."
    }
    precondition {
      condition     = try(local.crawls[each.key].name, null) == each.key
      error_message = "${local.crawl_files[each.key]} must contain a crawl with the name ${each.key}: run ids begin with that name."
    }
    precondition {
      # In bytes as they are sent (base64), with 5 kB for the URL, the headers and the names:
      # https://cloud.google.com/scheduler/quotas
      condition     = length(base64encode(jsonencode(local.crawls[each.key]))) <= 995000
      error_message = "${local.crawl_files[each.key]} is too large: the maximum is 746 kB as JSON, because a job of Cloud Scheduler has at most 1 MB, base64 included. Use urls_file or a sitemap instead of urls."
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.scheduler_invokes_dispatcher]
}
