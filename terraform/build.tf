# Builds, if var.github is set. A push to the branch is checked, built and rolled out. A pull request is only checked,
# by an account without permissions.
locals {
  build_count = var.github == null ? 0 : 1
  repository  = var.github == null ? "" : "projects/${var.project_id}/locations/${var.region}/connections/${var.github.connection}/repositories/${var.github.repository}"
}

resource "google_service_account" "build" {
  count = local.build_count

  account_id   = "${var.name_prefix}-build"
  display_name = "Cloud Build, of the branch that is rolled out"

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository_iam_member" "build_writes_images" {
  count = local.build_count

  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build[0].member
}

# The deployer runs `terraform apply`, so it needs more permissions than any account of this stack; docs/how-to/deploy.md creates it.
resource "google_service_account_iam_member" "build_impersonates_deployer" {
  count = local.build_count

  service_account_id = "projects/${regex("@([^.]+)", var.github.deployer)[0]}/serviceAccounts/${var.github.deployer}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.build[0].member
}

resource "google_service_account" "check" {
  count = local.build_count

  account_id   = "${var.name_prefix}-check"
  display_name = "Cloud Build, of pull requests"

  depends_on = [google_project_service.this]
}

# Logs belong to the project; there is no smaller resource to grant this role on.
resource "google_project_iam_member" "builds_write_logs" {
  for_each = var.github == null ? {} : { build = google_service_account.build[0], check = google_service_account.check[0] }

  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = each.value.member
}

# Builds belong to the project; there is no smaller resource to grant this role on.
resource "google_project_iam_member" "approves_roll_outs" {
  for_each = var.github == null ? [] : toset(var.approvers)

  project = var.project_id
  role    = "roles/cloudbuild.builds.approver"
  member  = each.value
}

resource "google_cloudbuild_trigger" "roll_out" {
  count = local.build_count

  name            = "${var.name_prefix}-roll-out"
  location        = var.region
  description     = "Checks, builds and rolls out ${var.github.branch}"
  filename        = "cloudbuild.yaml"
  service_account = google_service_account.build[0].id
  tags            = [var.name_prefix, var.environment]
  ignored_files   = ["docs/**", "**/*.md"]
  substitutions = {
    _REGION     = var.region
    _REPOSITORY = local.registry
    _DEPLOYER   = var.github.deployer
  }

  repository_event_config {
    repository = local.repository

    push {
      branch = "^${replace(var.github.branch, ".", "\\.")}$"
    }
  }

  approval_config {
    approval_required = var.environment == "prod"
  }

  depends_on = [google_project_service.this, google_project_iam_member.builds_write_logs]
}

resource "google_cloudbuild_trigger" "check" {
  count = local.build_count

  name               = "${var.name_prefix}-check"
  location           = var.region
  description        = "Checks a pull request"
  filename           = "cloudbuild-check.yaml"
  service_account    = google_service_account.check[0].id
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"
  tags               = [var.name_prefix, var.environment]

  repository_event_config {
    repository = local.repository

    pull_request {
      branch          = "^${replace(var.github.branch, ".", "\\.")}$"
      comment_control = "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"
    }
  }

  approval_config {
    approval_required = false
  }

  depends_on = [google_project_service.this, google_project_iam_member.builds_write_logs]
}
