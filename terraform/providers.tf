provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = local.labels

  # The API of budgets needs a project that its quota is counted for, if a person applies the stack:
  # https://registry.terraform.io/providers/hashicorp/google/latest/docs/resources/billing_budget
  user_project_override = var.budget == null ? null : true
  billing_project       = var.budget == null ? null : var.project_id
}
