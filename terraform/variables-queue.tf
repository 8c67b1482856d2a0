# How jobs are delivered: ack deadline, retry policy, dead letters.

variable "ack_deadline_seconds" {
  description = "Ack deadline of the push subscription in seconds, which is also the time limit of one push. A job that is not acknowledged by then is delivered again. The worker's request timeout and page budget are derived from it."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600 && floor(var.ack_deadline_seconds) == var.ack_deadline_seconds
    error_message = "ack_deadline_seconds must be a whole number from 10 to 600: those are Pub/Sub's limits."
  }
}

variable "ack_policy" {
  description = "success: the worker acknowledges only successful jobs; a failing job is redelivered until max_delivery_attempts and then dead-lettered by Pub/Sub. settled: the worker publishes a failed job to the dead-letter topic itself and acknowledges it."
  type        = string
  default     = "success"
  nullable    = false

  validation {
    condition     = contains(["success", "settled"], var.ack_policy)
    error_message = "ack_policy must be success or settled."
  }
}

variable "dead_letter_retention" {
  description = "How long dead letters are kept for replay, in seconds, for example 2678400s (31 days, the maximum)."
  type        = string
  default     = "2678400s"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+s$", var.dead_letter_retention)) && try(tonumber(trimsuffix(var.dead_letter_retention, "s")) > 604800 && tonumber(trimsuffix(var.dead_letter_retention, "s")) <= 2678400, false)
    error_message = "dead_letter_retention must be seconds with an s, above 604800s (the 7 days for which a job is kept) and at most 2678400s (31 days)."
  }
}

variable "max_delivery_attempts" {
  description = "Number of delivery attempts after which a job is dead-lettered."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100 && floor(var.max_delivery_attempts) == var.max_delivery_attempts
    error_message = "max_delivery_attempts must be a whole number from 5 to 100: those are Pub/Sub's limits."
  }
}

variable "politeness" {
  description = "instance: each worker instance limits its own request rate to a host. ordered: in addition, Pub/Sub has at most politeness.per_host (of the crawl) jobs of one host outstanding, over all instances. Changing it replaces the push subscription."
  type        = string
  default     = "instance"
  nullable    = false

  validation {
    condition     = contains(["instance", "ordered"], var.politeness)
    error_message = "politeness must be instance or ordered."
  }
  validation {
    condition     = var.politeness != "ordered" || var.ack_policy == "settled"
    error_message = "politeness = \"ordered\" needs ack_policy = \"settled\": with \"success\", one failing page would block the other jobs of its host until it is a dead letter."
  }
}

variable "retry_backoff" {
  description = "Retry policy: backoff after a failed attempt in seconds, growing from minimum to maximum."
  type = object({
    minimum = optional(number, 10)
    maximum = optional(number, 600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for seconds in [var.retry_backoff.minimum, var.retry_backoff.maximum] : seconds >= 0 && seconds <= 600])
    error_message = "retry_backoff.minimum and .maximum must be from 0 to 600: those are Pub/Sub's limits."
  }
  validation {
    condition     = var.retry_backoff.minimum <= var.retry_backoff.maximum
    error_message = "retry_backoff.minimum must not be above retry_backoff.maximum."
  }
}
