# The worker service: number and size of its instances, and time limits.

variable "page_budget_seconds" {
  description = "Maximum time for one page in seconds: robots.txt, connection, redirects, body and extraction. The time for which the job waits does not count. null: 40 seconds, or less if ack_deadline_seconds is less than 120."
  type        = number
  default     = null

  validation {
    condition     = var.page_budget_seconds == null || try(var.page_budget_seconds >= 1, false)
    error_message = "page_budget_seconds must be at least 1 second."
  }
  validation {
    condition     = var.page_budget_seconds == null || try(var.page_budget_seconds + local.queue_seconds + local.reserve_seconds <= var.ack_deadline_seconds, false)
    error_message = "page_budget_seconds must be at least ${local.queue_seconds + local.reserve_seconds} seconds shorter than ack_deadline_seconds: Cloud Run may queue a push for ${local.queue_seconds} s, and the worker needs up to ${local.reserve_seconds} s after the page, to publish."
  }
}

variable "worker_concurrency" {
  description = "Number of pushes that one worker instance takes at the same time. Most of them may be waiting, for a page slot or for their host; worker_page_concurrency limits how many pages are processed."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.worker_concurrency >= 1 && var.worker_concurrency <= 1000 && floor(var.worker_concurrency) == var.worker_concurrency
    error_message = "worker_concurrency must be a whole number from 1 to 1000: those are Cloud Run's limits."
  }
}

variable "worker_cpu" {
  description = "CPUs of a worker instance: 1, 2, 4 or 8. The instance runs one process for each CPU."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8], var.worker_cpu)
    error_message = "worker_cpu must be 1, 2, 4 or 8."
  }
}

variable "worker_max_instances" {
  description = "Maximum number of worker instances. At most worker_max_instances × worker_page_concurrency pages are fetched at the same time."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.worker_max_instances >= 1 && floor(var.worker_max_instances) == var.worker_max_instances
    error_message = "worker_max_instances must be a whole number, at least 1."
  }
}

variable "worker_memory" {
  description = "Memory of a worker instance, for example 1Gi. It must be enough for all pages being processed, their parsed trees, and the waiting pushes."
  type        = string
  default     = "1Gi"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{1,6}(Mi|Gi)$", var.worker_memory))
    error_message = "worker_memory must be a whole number with Mi or Gi, for example 1Gi."
  }
  # https://cloud.google.com/run/docs/configuring/services/cpu#vcpu-and-memory-table; the second generation has at least 512 MiB.
  validation {
    condition = !contains([1, 2, 4, 8], var.worker_cpu) || !can(regex("^[0-9]{1,6}(Mi|Gi)$", var.worker_memory)) || try(
      tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) >= max(512, var.worker_cpu < 4 ? 0 : var.worker_cpu * 512)
      && tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) <= var.worker_cpu * 4096,
      false
    )
    error_message = "worker_memory must be from 512Mi to 4Gi with 1 CPU, 512Mi to 8Gi with 2, 2Gi to 16Gi with 4, and 4Gi to 32Gi with 8: those are Cloud Run's limits. Change it or worker_cpu."
  }
}

variable "worker_min_instances" {
  description = "Minimum number of worker instances. With 0, no worker instance is paid for while there are no jobs."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.worker_min_instances >= 0 && floor(var.worker_min_instances) == var.worker_min_instances
    error_message = "worker_min_instances must be a whole number, at least 0."
  }
  validation {
    condition     = var.worker_min_instances <= var.worker_max_instances
    error_message = "worker_min_instances must not be above worker_max_instances."
  }
}

variable "worker_page_concurrency" {
  description = "Number of pages that one worker instance fetches and extracts at the same time; at most worker_concurrency."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.worker_page_concurrency >= 1 && var.worker_page_concurrency <= 1000 && floor(var.worker_page_concurrency) == var.worker_page_concurrency
    error_message = "worker_page_concurrency must be a whole number from 1 to 1000."
  }
}
