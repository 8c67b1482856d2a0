locals {
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "containeranalysis.googleapis.com", # stores provenance and SBOMs of images
      "containerscanning.googleapis.com", # creates the SBOMs; it also scans each pushed image, which costs $0.26 per image
      "iam.googleapis.com",
      "iamcredentials.googleapis.com", # lets a build impersonate the deployer
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
    ],
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
    var.vpc == null ? [] : ["compute.googleapis.com"],
    local.console_iap ? ["iap.googleapis.com"] : [],
    length(var.urls_file_buckets) == 0 ? [] : ["storage.googleapis.com"],
    length(var.secrets) == 0 ? [] : ["secretmanager.googleapis.com"],
  )
}

resource "google_project_service" "this" {
  for_each = toset(local.apis)

  service            = each.value
  disable_on_destroy = false # other parts of the project may use the API
}

# The project's number is part of the names of Google's service agents and of Cloud Run's URLs.
data "google_project" "this" {
  project_id = var.project_id
}
