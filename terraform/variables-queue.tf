# How jobs are delivered: ack deadline, retry policy, dead letters.

variable "ack_deadline_seconds" {
  description = "Ack deadline of the push subscription in seconds, which is also the time limit of one push. A job that is not acknowledged by then is delivered again. The worker's request timeout and the time for which a job may wait in the worker are derived from it."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 60 && var.ack_deadline_seconds <= 600 && floor(var.ack_deadline_seconds) == var.ack_deadline_seconds
    error_message = "ack_deadline_seconds must be a whole number from 60 to 600: 600 is Pub/Sub's maximum, and of less than 60 s too little remains for a page, because Cloud Run may queue a push for 30 s."
  }
}

variable "ack_policy" {
  description = "success: the worker acknowledges only successful jobs; a failing job is redelivered until max_delivery_attempts and then dead-lettered by Pub/Sub. settled: the worker itself counts the failed requests for a page, publishes a failed job to the dead-letter topic, and acknowledges it."
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
  description = "Number of attempts after which a job is dead-lettered. With ack_policy = success these are deliveries, which Pub/Sub counts. With settled these are failed requests for the page, which the worker counts; Pub/Sub then allows 100 deliveries."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100 && floor(var.max_delivery_attempts) == var.max_delivery_attempts
    error_message = "max_delivery_attempts must be a whole number from 5 to 100: those are Pub/Sub's limits."
  }
}

variable "operators" {
  description = "Who may use scrapeq against this stack: cancel, pause, resume and replay, and read the ledger. Members such as user:ops@example.com or group:on-call@example.com."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount|domain):[^:\\s]+$", member))])
    error_message = "operators must be members such as user:ops@example.com, group:on-call@example.com or domain:example.com."
  }
}

variable "retry_backoff" {
  description = "Retry policy: backoff after a failed attempt in seconds, which doubles from minimum to maximum. With ack_policy = settled it is also the time before the worker's next attempt."
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
