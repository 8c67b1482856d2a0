locals {
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "containeranalysis.googleapis.com", # provenance and SBOMs of images
      "containerscanning.googleapis.com", # makes the SBOMs; it also scans each pushed image, for $0.26
      "iam.googleapis.com",
      "iamcredentials.googleapis.com", # a build that impersonates the deployer
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
    ],
    var.vpc == null ? [] : ["compute.googleapis.com"],
  )
}

resource "google_project_service" "this" {
  for_each = toset(local.apis)

  service            = each.value
  disable_on_destroy = false # others in the project may use it
}

# Its number is in the names of Google's own agents and in Cloud Run's URLs.
data "google_project" "this" {
  project_id = var.project_id
}
