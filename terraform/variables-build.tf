# Builds and roll-outs by Cloud Build.

variable "approvers" {
  description = "Who may approve a roll-out if environment is prod, besides the owners of the project: members such as user:ops@example.com or group:on-call@example.com."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.approvers : can(regex("^(user|group|serviceAccount|domain):[^:\\s]+$", member))])
    error_message = "approvers must be members such as user:ops@example.com, group:on-call@example.com or domain:example.com."
  }
}

variable "github" {
  description = "Build on pushes and pull requests: a Cloud Build connection (2nd generation) in var.region, the repository's name in that connection, the branch that is rolled out, and the existing service account that a roll-out impersonates. null creates no triggers."
  type = object({
    connection = string
    repository = string
    branch     = optional(string, "main")
    deployer   = string
  })
  default = null

  validation {
    condition = var.github == null || try(alltrue([
      for name in [var.github.connection, var.github.repository] : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]*$", name))
    ]), false)
    error_message = "github.connection and github.repository must be the short names that `gcloud builds repositories list` shows."
  }
  validation {
    condition     = var.github == null || can(regex("^[A-Za-z0-9][A-Za-z0-9_./-]*$", var.github.branch))
    error_message = "github.branch must be a branch's name, for example main."
  }
  validation {
    condition     = var.github == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.github.deployer))
    error_message = "github.deployer must be a service account's email, for example deployer@PROJECT.iam.gserviceaccount.com."
  }
}
