# The operator's page on Cloud Run.

variable "console" {
  description = "Serve the operator's page on Cloud Run to these members, such as user:ops@example.com or group:on-call@example.com: through `gcloud run services proxy`, or with iap = true through the Identity-Aware Proxy in a browser. With acts = true, which needs iap, the members may also cancel, pause, replay and drop; otherwise the page is read-only. null creates no page."
  type = object({
    members = list(string)
    iap     = optional(bool, false)
    acts    = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.console == null || try(length(var.console.members) > 0 && alltrue([for member in var.console.members : can(regex("^(user|group|serviceAccount|domain):[^:\\s]+$", member))]), false)
    error_message = "console.members must be members such as user:ops@example.com, group:on-call@example.com or domain:example.com, at least one."
  }
  validation {
    condition     = var.console == null || try(var.console.iap || !var.console.acts, false)
    error_message = "console.acts needs console.iap = true: without the Identity-Aware Proxy the page cannot know who the operator is, and so not record it."
  }
}
