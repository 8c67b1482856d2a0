# The worker service: number and size of its instances, and time limits.

variable "page_budget_seconds" {
  description = "Maximum total time for one job, whose recipe may follow several pages, in seconds; it is counted from when the worker reads the push. null: 15 seconds less than the worker's timeout."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.page_budget_seconds, coalesce(var.worker_timeout_seconds, var.ack_deadline_seconds - 5) - 15) >= 1
    error_message = "page_budget_seconds (default: the worker's timeout - 15) must be at least 1 second. Raise ack_deadline_seconds or worker_timeout_seconds, or set page_budget_seconds."
  }
  validation {
    condition     = var.page_budget_seconds == null || try(var.page_budget_seconds + 5 <= coalesce(var.worker_timeout_seconds, var.ack_deadline_seconds - 5), false)
    error_message = "page_budget_seconds must be at least 5 seconds shorter than the worker's timeout (worker_timeout_seconds, or ack_deadline_seconds - 5): the worker needs these 5 seconds to publish the outcome."
  }
}

variable "worker_concurrency" {
  description = "Number of jobs that one worker instance runs at the same time."
  type        = number
  default     = 80
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
  description = "Maximum number of worker instances. At most worker_max_instances × worker_concurrency pages are fetched at the same time."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.worker_max_instances >= 1 && floor(var.worker_max_instances) == var.worker_max_instances
    error_message = "worker_max_instances must be a whole number, at least 1."
  }
}

variable "worker_memory" {
  description = "Memory of a worker instance, for example 1Gi. It must be enough for all pages being processed and their parsed trees."
  type        = string
  default     = "1Gi"
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]+Mi|[0-9]+Gi)$", var.worker_memory)) && try(tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) >= 512, false)
    error_message = "worker_memory must be in Mi or Gi and at least 512Mi, for example 1Gi."
  }
  validation {
    condition     = var.worker_cpu < 4 || try(tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) >= var.worker_cpu * 512, false)
    error_message = "worker_memory must be at least 2Gi for 4 CPUs and 4Gi for 8: those are Cloud Run's limits."
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

variable "worker_timeout_seconds" {
  description = "Cloud Run's request timeout of the worker in seconds. null: 5 seconds less than the ack deadline."
  type        = number
  default     = null

  validation {
    condition     = try(var.worker_timeout_seconds >= 6 && floor(var.worker_timeout_seconds) == var.worker_timeout_seconds, var.worker_timeout_seconds == null)
    error_message = "worker_timeout_seconds must be null or a whole number, at least 6."
  }
  validation {
    condition     = try(var.worker_timeout_seconds <= var.ack_deadline_seconds, var.worker_timeout_seconds == null)
    error_message = "worker_timeout_seconds must not be above ack_deadline_seconds: otherwise Pub/Sub would deliver a job again while a worker still processes it."
  }
}
