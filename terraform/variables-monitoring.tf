# Alerts: when they fire, and who receives them.

variable "alert_emails" {
  description = "Email addresses that receive alerts. The alert policies exist even if the list is empty."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alert_emails must be a list of email addresses, for example [\"ops@example.com\"]."
  }
}

variable "alert_thresholds" {
  description = "Thresholds of the alerts. backlog_jobs is also the largest expected backlog, for which a plan checks the capacity. refused_push_ratio: share of pushes that reach no worker, for 15 minutes. dispatch_silence_seconds: alert if the dispatcher receives no request for this many seconds; null disables that alert."
  type = object({
    oldest_unacked_seconds   = optional(number, 3600)
    backlog_jobs             = optional(number, 100000)
    push_failure_ratio       = optional(number, 0.5)
    refused_push_ratio       = optional(number, 0.01)
    ledger_lag_seconds       = optional(number, 900)
    dispatch_silence_seconds = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition = (
      var.alert_thresholds.oldest_unacked_seconds > var.ack_deadline_seconds
      && var.alert_thresholds.backlog_jobs > 0
      && var.alert_thresholds.ledger_lag_seconds > 0
    )
    error_message = "alert_thresholds: oldest_unacked_seconds must be above ack_deadline_seconds, and backlog_jobs and ledger_lag_seconds above 0; otherwise these alerts always fire."
  }
  validation {
    condition     = alltrue([for ratio in [var.alert_thresholds.push_failure_ratio, var.alert_thresholds.refused_push_ratio] : ratio > 0 && ratio < 1])
    error_message = "alert_thresholds.push_failure_ratio and .refused_push_ratio must be between 0 and 1: 0.5 is half of all pushes."
  }
  validation {
    condition     = try(var.alert_thresholds.dispatch_silence_seconds >= 120 && var.alert_thresholds.dispatch_silence_seconds <= 84600, var.alert_thresholds.dispatch_silence_seconds == null)
    error_message = "alert_thresholds.dispatch_silence_seconds must be null, or from 120 to 84600: the maximum of Cloud Monitoring's absence conditions is 23.5 hours."
  }
  # https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#MetricAbsence
  validation {
    condition     = try(var.alert_thresholds.dispatch_silence_seconds % 60 == 0, var.alert_thresholds.dispatch_silence_seconds == null)
    error_message = "alert_thresholds.dispatch_silence_seconds must be a multiple of 60: Cloud Monitoring counts whole minutes."
  }
}

variable "budget" {
  description = "A monthly budget of the project: the id of its billing account, the amount in the currency of that account, and the shares at which the recipients of alerts are notified. null creates none. Whoever applies it needs roles/billing.costsManager on the billing account."
  type = object({
    billing_account = string
    amount          = number
    thresholds      = optional(list(number), [0.5, 0.9, 1])
  })
  default = null

  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "budget.billing_account must be an id such as 012345-6789AB-CDEF01, as `gcloud billing projects describe PROJECT` shows it."
  }
  validation {
    condition     = var.budget == null || try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, false)
    error_message = "budget.amount must be a whole number, at least 1."
  }
  validation {
    condition     = var.budget == null || try(length(var.budget.thresholds) > 0 && alltrue([for share in var.budget.thresholds : share > 0 && share <= 10]), false)
    error_message = "budget.thresholds must be shares of the amount, for example [0.5, 0.9, 1]: 1 is the whole amount."
  }
}

variable "notification_channels" {
  description = "Existing Cloud Monitoring channels that receive alerts, in the form projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", channel))])
    error_message = "notification_channels must be a list of full names, for example projects/PROJECT/notificationChannels/123."
  }
  # https://cloud.google.com/monitoring/quotas#limits_for_alerting
  validation {
    condition     = length(var.alert_emails) + length(var.notification_channels) <= 16
    error_message = "notification_channels and alert_emails may have 16 entries together, Cloud Monitoring's limit for one alert policy. Use a mailing list instead of single addresses."
  }
}

variable "runbook_url" {
  description = "URL of the runbook that alerts link to."
  type        = string
  default     = "https://github.com/scrapeq/scrapeq/blob/main/docs/how-to/runbook.md"
  nullable    = false

  validation {
    condition     = can(regex("^https://[!-~]+$", var.runbook_url)) && !strcontains(var.runbook_url, "#")
    error_message = "runbook_url must begin with https:// and must not contain #: each alert appends the name of its section."
  }
}
