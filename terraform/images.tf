resource "google_artifact_registry_repository" "images" {
  location               = var.region
  repository_id          = var.name_prefix
  description            = "Images of the services"
  format                 = "DOCKER"
  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10 # so that a rollback to an older image is possible
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "2592000s" # 30 days
      tag_state  = "ANY"
    }
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  depends_on = [google_project_service.this]
}
